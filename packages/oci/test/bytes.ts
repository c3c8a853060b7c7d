import type { TarEntry, TarMember } from "@tsbuild/oci";

export async function* streamOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** The same bytes in chunks of an awkward size. */
export async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Copies, since streams may use the memory of a chunk again. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Bytes that look like nothing, the same in every run. */
export function noise(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  let state = seed;
  for (let index = 0; index < sizeBytes; index++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    bytes[index] = state >>> 16;
  }
  return bytes;
}

export function file(path: string, text: string | Buffer, more: Partial<TarEntry> = {}): TarMember {
  const body = Buffer.from(text);
  const entry = {
    path,
    type: "file",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtimeNs: 0n,
    ...more,
  } as const;
  return { entry, body };
}

export function node(path: string, type: TarEntry["type"], more: Partial<TarEntry> = {}): TarMember {
  const mode = type === "folder" ? 0o755 : type === "symlink" ? 0o777 : 0o644;
  return { entry: { path, type, mode, uid: 0, gid: 0, size: 0, mtimeNs: 0n, ...more } };
}
