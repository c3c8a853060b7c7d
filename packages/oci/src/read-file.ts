import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const CHUNK_BYTES = 512 * 1024;

async function readInto(file: FileHandle, buffer: Buffer, at: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
  return buffer.subarray(0, bytesRead);
}

/** A file's bytes from `offset` on, read ahead by one chunk. The memory of a chunk is used again when the next one is asked for. */
export async function* readFileReusing(path: string, offset = 0): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY);
  let [reading, idle] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  let ahead = readInto(file, reading, offset);
  try {
    let at = offset;
    for (let chunk = await ahead; chunk.length > 0; chunk = await ahead) {
      [reading, idle] = [idle, reading];
      at += chunk.length;
      ahead = readInto(file, reading, at);
      // Awaited in its turn; when reading stops earlier, below.
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await ahead.catch(() => undefined);
    await file.close();
  }
}
