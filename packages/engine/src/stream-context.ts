import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { limits, TsbuildError } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { Store } from "@tsbuild/store";

/** What came through standard input (C001). */
export type StreamContext =
  | { readonly type: "dockerfile"; readonly text: string }
  | { readonly type: "folder"; readonly path: string };

// A tar header is one block; compressed archives are told apart by their first bytes.
const HEAD_BYTES = 512;

/** Reads at least `count` bytes (or all) and gives the stream back whole. */
async function peek(
  stream: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ readonly head: Buffer; readonly whole: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < count) {
    const next = await iterator.next();
    if (next.done) break;
    chunks.push(next.value);
    size += next.value.length;
  }
  const head = Buffer.concat(chunks);
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield head;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  }
  return { head, whole: whole() };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > limits.dockerfileBytes)
      throw new TsbuildError("TSB_DOCKERFILE", "the Dockerfile on standard input is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** A tar without members is zeros from its first block on; no Dockerfile is. */
function isEmptyTar(head: Uint8Array): boolean {
  return head.length >= HEAD_BYTES && head.subarray(0, HEAD_BYTES).every((byte) => byte === 0);
}

function refuse(error: unknown): never {
  if (!(error instanceof TsbuildError) || error.code !== "TSB_INTEGRITY") throw error;
  throw new TsbuildError(
    "TSB_CONTEXT",
    `the context on standard input cannot be unpacked: ${error.message}`,
    {
      hint: "pipe a tar archive (plain, or compressed with gzip, bzip2, xz or zstd), or the text of a Dockerfile",
      cause: error,
    },
  );
}

/** Takes a stream for what it is: a tar or anything compressed becomes a context folder, whatever else is a Dockerfile. */
export async function readStreamContext(
  stream: AsyncIterable<Uint8Array>,
  tools: { readonly store: Store; readonly fs: NativeFs; readonly signal: AbortSignal },
): Promise<StreamContext> {
  const { head, whole } = await peek(stream, HEAD_BYTES);
  const { decompress, isArchive, sniffCompression, unpackArchive } = await import("@tsbuild/oci");
  /* An archive that is damaged is one all the same. */
  const isCompressed = sniffCompression(head) !== "none";
  if (!isCompressed && !isEmptyTar(head) && !(await isArchive(once(head))))
    return { type: "dockerfile", text: await readAll(whole) };
  const path = join(tools.store.temporaryFolder(), "context");
  mkdirSync(path, { recursive: true });
  const root = tools.fs.openFolder(path);
  try {
    await unpackArchive(decompress(whole), root, { fs: tools.fs, signal: tools.signal }).catch(refuse);
  } finally {
    tools.fs.close(root);
  }
  return { type: "folder", path };
}
