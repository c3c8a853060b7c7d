import { close, constants, write } from "node:fs";
import { promisify } from "node:util";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { encodeTreeOps, type NativeFs, type TreeOp } from "@tsbuild/native-fs";
import { releaseAll } from "../memory.ts";
import type { TarEntry } from "../tar/entry.ts";

const writeChunk = promisify(write);
const closeFd = promisify(close);

/** Files up to this size go with the batch; larger ones are written as they come. */
const INLINE_BYTES = 512 * 1024;
/** One batch is being performed while the next is gathered. Encoding takes several times this, which is collected late. */
const BATCH_BYTES = 256 * 1024;
const BATCH_OPS = 2048;
/** Bytes of a batch besides contents, roughly, per op. */
const OP_BYTES = 200;

/** The part of native-fs that writing a tree takes. */
export type WriteCalls = Pick<
  NativeFs,
  "apply" | "openInRoot" | "removeInRoot" | "setOwnerModeInRoot" | "setTimesInRoot" | "statInRoot"
>;

type FileOp = Extract<TreeOp, { type: "file" }>;
export type FileMetadata = Omit<FileOp, "type" | "data" | "existing" | "makeParents">;

/** What the archive, and not this machine, is to blame for. */
const ARCHIVE_ERRORS = new Set([
  "EEXIST",
  "EINVAL",
  "EISDIR",
  "ELOOP",
  "EMLINK",
  "ENAMETOOLONG",
  "ENOENT",
  "ENOTDIR",
  "EXDEV",
]);

function failureOf(error: unknown, op: TreeOp | { readonly path: string } | undefined): unknown {
  const code = errnoCode(error);
  if (code === undefined || !(error instanceof Error)) return error;
  const where = op === undefined ? "" : ` ${JSON.stringify(op.path)}`;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TsbuildError("TSB_DISK_FULL", `no space left to unpack${where}`, {
      hint: "tsbuild prune removes what is not needed from the state folder; or choose another with --root",
      cause: error,
    });
  }
  if (code === "ENOENT" && op !== undefined && "type" in op && op.type === "hardlink") {
    const why = `the hard link${where} names ${JSON.stringify(op.to)}, which does not come before it`;
    return new TsbuildError("TSB_INTEGRITY", `the archive is damaged: ${why}`, { cause: error });
  }
  const blame = ARCHIVE_ERRORS.has(code) ? "TSB_INTEGRITY" : "TSB_STORE";
  return new TsbuildError(blame, `cannot unpack${where}: ${error.message}`, { cause: error });
}

/** Runs a piece of work of this machine's; failures of the archive's source do not pass through here, they are not ours. */
async function blame<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failureOf(error, { path });
  }
}

async function writeWhole(fd: number, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += (await writeChunk(fd, chunk, at, chunk.length - at)).bytesWritten;
  }
}

/**
 * Performs tree ops below one root in batches of bounded size. Ops take effect in order; a failure shows at a later call, at the
 * latest in `finish`.
 */
export class TreeWriter {
  readonly #fs: WriteCalls;
  readonly #root: number;
  #ops: TreeOp[] = [];
  #bytes = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(fs: WriteCalls, root: number) {
    this.#fs = fs;
    this.#root = root;
  }

  async add(op: TreeOp): Promise<void> {
    this.#ops.push(op);
    this.#bytes += OP_BYTES + (op.type === "file" ? op.data.length : 0);
    if (this.#bytes >= BATCH_BYTES || this.#ops.length >= BATCH_OPS) await this.#start();
  }

  /** Waits for the batch before, then lets this one run. */
  async #start(): Promise<void> {
    await this.#running;
    if (this.#ops.length === 0) return;
    const ops = this.#ops;
    this.#ops = [];
    this.#bytes = 0;
    this.#running = this.#apply(ops);
    // Awaited before the next batch or in `finish`; until then nobody listens.
    this.#running.catch(() => undefined);
  }

  async #apply(ops: readonly TreeOp[]): Promise<void> {
    const batch = encodeTreeOps(ops);
    try {
      await this.#fs.apply(this.#root, this.#root, batch, { hash: false });
    } catch (error) {
      const { index } = error as { readonly index?: number };
      throw failureOf(error, index === undefined ? undefined : ops[index]);
    } finally {
      releaseAll([batch]);
    }
  }

  /** All ops so far are done when this resolves. */
  async finish(): Promise<void> {
    await this.#start();
    await this.#running;
  }

  /** Waits until nothing is being written any more, failed or not. */
  async settle(): Promise<void> {
    await this.#running.catch(() => undefined);
  }

  /** Creates a file; whatever was there is replaced. */
  async file(metadata: FileMetadata, entry: TarEntry, body: AsyncIterable<Buffer>): Promise<void> {
    if (entry.size <= INLINE_BYTES) {
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(chunk);
      const data = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
      await this.add({ ...metadata, type: "file", existing: "replace", data });
      return;
    }
    await this.finish();
    await this.#largeFile(metadata, body);
  }

  async #largeFile(metadata: FileMetadata, body: AsyncIterable<Buffer>): Promise<void> {
    const { path, xattrs, mode, uid, gid, mtimeNs } = metadata;
    if (xattrs === undefined || xattrs.length === 0) {
      await this.#stream(path, body);
      await blame(path, () => {
        this.#fs.setOwnerModeInRoot(this.#root, path, { uid, gid, mode });
        if (mtimeNs !== undefined) this.#fs.setTimesInRoot(this.#root, path, mtimeNs, mtimeNs);
      });
      return;
    }
    // Only `apply` sets xattrs: the content goes to a name beside it first, and is moved over by reflink where that works.
    const temporary = `${path}.tsbuild-unpack`;
    await this.#stream(temporary, body);
    await this.add({ ...metadata, type: "copy", from: temporary, existing: "replace" });
    await this.add({ type: "remove", path: temporary, existing: "replace" });
    await this.finish();
  }

  #create(path: string): number {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    try {
      return this.#fs.openInRoot(this.#root, path, flags, 0o600);
    } catch (error) {
      if (errnoCode(error) !== "EEXIST") throw error;
    }
    this.#fs.removeInRoot(this.#root, path);
    return this.#fs.openInRoot(this.#root, path, flags, 0o600);
  }

  async #stream(path: string, body: AsyncIterable<Buffer>): Promise<void> {
    const fd = await blame(path, () => this.#create(path));
    try {
      for await (const chunk of body) await blame(path, () => writeWhole(fd, chunk));
    } finally {
      await closeFd(fd);
    }
  }
}
