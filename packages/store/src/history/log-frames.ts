import type { LogFrame } from "./api.ts";

/**
 * A log file is a row of frames: a line `STREAM MILLISECONDS BYTES`, then so many bytes of output, then a line break. So the two
 * streams and their times survive whatever a step prints, and `less` still shows the text.
 */
export function encodeFrame({ stream, at, data }: LogFrame): Buffer {
  return Buffer.concat([
    Buffer.from(`${stream} ${Math.round(at)} ${data.length}\n`),
    data,
    Buffer.from("\n"),
  ]);
}

const HEADER = /^([12]) (\d{1,15}) (\d{1,15})$/;
/** Digits of a stream, a time and a size: a line break further on belongs to output. */
const MAX_HEADER_BYTES = 40;

/**
 * The frames of a file that comes in chunks; one that crosses a border of chunks comes as several. A last frame that a crash cut
 * off counts as far as it goes; what is no frame ends the log.
 */
export function* decodeFrames(chunks: Iterable<Buffer>): Generator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0);
  let open: { readonly stream: 1 | 2; readonly at: number; left: number } | undefined;
  for (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    for (;;) {
      if (open === undefined) {
        const end = rest.indexOf(0x0a);
        if (end < 0 && rest.length <= MAX_HEADER_BYTES) break;
        const header = HEADER.exec(rest.toString("latin1", 0, Math.max(0, end)));
        if (header === null) return;
        open = { stream: header[1] === "1" ? 1 : 2, at: Number(header[2]), left: Number(header[3]) };
        rest = rest.subarray(end + 1);
      }
      const data = rest.subarray(0, open.left);
      if (data.length > 0) yield { stream: open.stream, at: open.at, data };
      open.left -= data.length;
      rest = rest.subarray(data.length);
      if (open.left > 0 || rest.length === 0) break;
      rest = rest.subarray(1);
      open = undefined;
    }
  }
}
