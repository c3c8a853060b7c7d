import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const CHUNK_BYTES = 512 * 1024;

async function readInto(file: FileHandle, buffer: Buffer): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
  return buffer.subarray(0, bytesRead);
}

/** A file's bytes, read ahead by one chunk. The memory of a chunk is used again when the next one is asked for. */
export async function* readFileReusing(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, constants.O_RDONLY);
  let [reading, idle] = [Buffer.allocUnsafe(CHUNK_BYTES), Buffer.allocUnsafe(CHUNK_BYTES)];
  let ahead = readInto(file, reading);
  try {
    for (let chunk = await ahead; chunk.length > 0; chunk = await ahead) {
      [reading, idle] = [idle, reading];
      ahead = readInto(file, reading);
      // Awaited in its turn; when reading stops earlier, below.
      ahead.catch(() => undefined);
      yield chunk;
    }
  } finally {
    await ahead.catch(() => undefined);
    await file.close();
  }
}
