import { Readable } from "node:stream";
import { crc32, createGunzip } from "node:zlib";
import { TsbuildError } from "@tsbuild/base";
import { LENT_TO_READABLE, lent } from "../memory.ts";
import type { ByteSource } from "./bytes.ts";
import { pipeThrough } from "./pipe.ts";
import { loadZlibSync } from "./zlib-sync.ts";

/** 16 + 15: a gzip wrapper and the largest window. */
const GZIP_WINDOW = 31;
/** Deflate expands up to 1,032 times: 16 KiB in are at most 16 MiB out. Measured: no slower than 64 KiB. */
const SLICE_BYTES = 16 * 1024;
/** After a slice that grew much, the next ones are small, so that a run of zeros stays at 4 MiB a piece. */
const CAREFUL_SLICE_BYTES = 4 * 1024;
const MUCH_BYTES = 1024 * 1024;
/** Bytes of the end of a member that may be in the slice before. */
const TAIL_BYTES = 7;
const MAGIC = Buffer.of(0x1f, 0x8b, 0x08);

function damaged(why: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the gzip data is damaged: ${why}`);
}

/** True when what follows a member can follow: nothing, zeros of padding, or another member. */
async function mayFollow(source: ByteSource, window: Buffer, at: number): Promise<boolean> {
  const known = window.subarray(at);
  const more =
    known.length < MAGIC.length ? await source.peek(MAGIC.length - known.length) : known.subarray(0, 0);
  const next = Buffer.concat([known, more]);
  return next.subarray(0, MAGIC.length).equals(MAGIC) || next.every((byte) => byte === 0);
}

/** What was decompressed so far, as the end of a member says it (RFC 1952, 2.3.1). */
class Trailer {
  #crc = 0;
  #size = 0;

  update(output: Buffer): void {
    this.#crc = crc32(output, this.#crc);
    this.#size = (this.#size + output.length) % 2 ** 32;
  }

  bytes(): Buffer {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt32LE(this.#crc, 0);
    bytes.writeUInt32LE(this.#size, 4);
    return bytes;
  }
}

/**
 * Where in `window` the member ended. zlib-sync does not tell how much of its input it took, but the end of a member is its checksum and
 * length, which we know (measured: crc32 does 2.5 GB/s), and only some things can follow. `from`: where the last slice begins.
 */
async function memberEnd(
  source: ByteSource,
  window: Buffer,
  { from, trailer }: { readonly from: number; readonly trailer: Buffer },
): Promise<number> {
  for (let at = window.indexOf(trailer); at >= 0; at = window.indexOf(trailer, at + 1)) {
    const end = at + trailer.length;
    if (end > from && (await mayFollow(source, window, end))) return end;
  }
  throw damaged("something that is not gzip follows it");
}

/** Inflates the first member; on return the source stands behind it. */
async function* gunzipMember(source: ByteSource): AsyncGenerator<Buffer> {
  const zlib = loadZlibSync();
  const inflate = new zlib.Inflate({ windowBits: GZIP_WINDOW, chunkSize: 64 * 1024 });
  let tail = Buffer.alloc(0);
  const trailer = new Trailer();
  let sliceBytes = SLICE_BYTES;
  for (
    let slice = await source.take(sliceBytes);
    slice !== undefined;
    slice = await source.take(sliceBytes)
  ) {
    // Z_SYNC_FLUSH and taking the result each time: with Z_NO_FLUSH the addon piles output up and overruns its buffer.
    inflate.push(slice, zlib.Z_SYNC_FLUSH);
    if (inflate.err < 0) throw damaged(inflate.msg ?? `zlib error ${inflate.err}`);
    const output = inflate.result as Buffer;
    trailer.update(output);
    if (output.length > 0) yield output;
    if (inflate.err === zlib.Z_STREAM_END) {
      const window = Buffer.concat([tail, slice]);
      const end = await memberEnd(source, window, { from: tail.length, trailer: trailer.bytes() });
      source.unread(window.subarray(end));
      return;
    }
    tail = Buffer.concat([tail, slice.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    source.done();
    sliceBytes = output.length > MUCH_BYTES ? CAREFUL_SLICE_BYTES : SLICE_BYTES;
  }
  throw damaged("it ends too early");
}

/**
 * Decompresses gzip data, of one member or many. The first member goes through zlib-sync (measured: 545 MB/s of output, node:zlib's
 * streams 200). The others, if any, through node:zlib: zlib-sync never frees the 40 KiB of an inflater, and
 * there are layers with a member per file.
 */
export async function* gunzip(source: ByteSource): AsyncGenerator<Buffer> {
  yield* gunzipMember(source);
  const next = await source.peek(MAGIC.length);
  if (!next.equals(MAGIC)) return;
  yield* pipeThrough(Readable.from(lent(source.rest()), LENT_TO_READABLE), createGunzip(), "gzip");
}
