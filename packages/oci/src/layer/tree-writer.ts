import { randomBytes } from "node:crypto";
import { close, constants, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { type FileHead, type NativeFs, type TreeOp, TreeOpBatch } from "@tsbuild/native-fs";
import type { TarEntry } from "../tar/entry.ts";
import type { ReadBody } from "../tar/reader.ts";

const writeChunk = promisify(write);
const closeFd = promisify(close);

/** Files up to this size go with the batch; larger ones are written as they come. */
const INLINE_BYTES = 512 * 1024;
/** One batch is being performed while the next is gathered. */
const BATCH_BYTES = 256 * 1024;
const BATCH_OPS = 2048;
/** Large files are written in pieces of this size, one while the next is gathered: a call to another thread costs more than 64 KiB do. */
const PIECE_BYTES = 256 * 1024;

/** The part of native-fs that writing a tree takes. */
export type WriteCalls = Pick<
  NativeFs,
  | "apply"
  | "applyHere"
  | "openInRoot"
  | "removeInRoot"
  | "setOwnerModeInRoot"
  | "setTimesInRoot"
  | "statInRoot"
>;

export type FileMetadata = Omit<FileHead, "type" | "existing" | "makeParents">;

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

function failureOf(error: unknown, op: TreeOp | FileHead | { readonly path: string } | undefined): unknown {
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

/** As a failed op of a writer's is told, for those who do without one. */
export function unpackFailure(error: unknown): unknown {
  const { path } = error as { readonly path?: unknown };
  return failureOf(error, typeof path === "string" ? { path } : undefined);
}

/** Runs a piece of work of this machine's; failures of the archive's source do not pass through here, they are not ours. */
async function blame<T>(path: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failureOf(error, { path });
  }
}

async function writeWhole(fd: number, chunk: Buffer, here: boolean): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    const left = chunk.length - at;
    at += here ? writeSync(fd, chunk, at, left) : (await writeChunk(fd, chunk, at, left)).bytesWritten;
  }
}

/** Writes what comes in pieces of one size to a file: one on its way to the disk while the next is gathered. */
class PieceWriter {
  readonly #fd: number;
  readonly #buffers: readonly [Buffer, Buffer];
  readonly #isCrowded: () => boolean;
  #turn: 0 | 1 = 0;
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(fd: number, buffers: readonly [Buffer, Buffer], isCrowded: () => boolean) {
    this.#fd = fd;
    this.#buffers = buffers;
    this.#isCrowded = isCrowded;
  }

  /** It is done with the chunk when it resolves. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) {
      const buffer = this.#buffers[this.#turn];
      const part = chunk.subarray(at, at + buffer.length - this.#filled);
      buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === buffer.length) await this.#flush();
    }
  }

  /** Waits for the piece before, then lets this one go. */
  async #flush(): Promise<void> {
    await this.#writing;
    const piece = this.#buffers[this.#turn].subarray(0, this.#filled);
    this.#writing = writeWhole(this.#fd, piece, this.#isCrowded());
    // Awaited before the next one, or in `end` or `settle`.
    this.#writing.catch(() => undefined);
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#filled = 0;
  }

  async end(): Promise<void> {
    if (this.#filled > 0) await this.#flush();
    await this.#writing;
  }

  /** Waits until nothing is being written any more, failed or not: the descriptor may be closed, the buffers filled again. */
  async settle(): Promise<void> {
    await this.#writing.catch(() => undefined);
  }
}

/**
 * Performs tree ops below one root in batches of bounded size, which are made in memory that is used again. Ops take effect in order; a
 * failure shows at a later call, at the latest in `finish`.
 */
export class TreeWriter {
  readonly #fs: WriteCalls;
  readonly #root: number;
  readonly #isCrowded: () => boolean;
  /** A short one, as names may be as long as the file system allows; a random one, which no archive has. */
  readonly #temporaryName = `.tsbuild-${randomBytes(8).toString("hex")}`;
  #batch = new TreeOpBatch();
  /** That of the batch before, which may still be performed. */
  #other = new TreeOpBatch();
  /** What is in the batch, for messages. */
  #ops: (TreeOp | FileHead)[] = [];
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #pieces: readonly [Buffer, Buffer] | undefined;

  /** `isCrowded`: all processors have work, so it is done on this thread; asked for each piece of it. */
  constructor(fs: WriteCalls, root: number, isCrowded: () => boolean = () => false) {
    this.#fs = fs;
    this.#root = root;
    this.#isCrowded = isCrowded;
  }

  /** Undefined: there is nothing to wait for. So it is for most ops, and a promise for each would cost more than the op. */
  add(op: TreeOp): Promise<void> | undefined {
    this.#batch.add(op);
    return this.#added(op);
  }

  #added(op: TreeOp | FileHead): Promise<void> | undefined {
    this.#ops.push(op);
    const isFull = this.#batch.sizeBytes >= BATCH_BYTES || this.#ops.length >= BATCH_OPS;
    return isFull ? this.#start() : undefined;
  }

  /** Waits for the batch before, then lets this one run. */
  async #start(): Promise<void> {
    await this.#running;
    if (this.#ops.length === 0) return;
    const [batch, ops] = [this.#batch, this.#ops];
    this.#batch = this.#other;
    this.#batch.clear();
    this.#other = batch;
    this.#ops = [];
    this.#running = this.#apply(batch, ops);
    // Awaited before the next batch or in `finish`; until then nobody listens.
    this.#running.catch(() => undefined);
  }

  async #apply(batch: TreeOpBatch, ops: readonly (TreeOp | FileHead)[]): Promise<void> {
    this.#isRunning = true;
    try {
      // Copies are only made of files that were too large for a batch.
      const isHere = this.#isCrowded() && !ops.some(({ type }) => type === "copy");
      if (isHere) this.#fs.applyHere(this.#root, batch.bytes());
      else await this.#fs.apply(this.#root, this.#root, batch.bytes(), { hash: false });
    } catch (error) {
      const { index } = error as { readonly index?: number };
      throw failureOf(error, index === undefined ? undefined : ops[index]);
    } finally {
      this.#isRunning = false;
    }
  }

  /** All ops so far are done, as far as they went well: what `finish` waits for, or tells. */
  get isIdle(): boolean {
    return this.#ops.length === 0 && !this.#isRunning;
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

  /**
   * Creates a file; whatever was there is replaced. It is done with a piece of the body when it asks for the next. When the body fails,
   * nothing more may be added. Undefined as of `add`.
   */
  file(metadata: FileMetadata, entry: TarEntry, body: ReadBody): Promise<void> | undefined {
    if (entry.size > INLINE_BYTES) return this.finish().then(() => this.#largeFile(metadata, body));
    const op: FileHead = { ...metadata, type: "file", existing: "replace" };
    const whole = body.whole();
    if (whole === undefined) return this.#gatheredFile(op, entry.size, body);
    this.#batch.addWhole(op, whole);
    return this.#added(op);
  }

  async #gatheredFile(op: FileHead, sizeBytes: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#batch.addFile(op, sizeBytes, body);
    await this.#added(op);
  }

  async #largeFile(metadata: FileMetadata, body: AsyncIterable<Uint8Array>): Promise<void> {
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
    const temporary = path.slice(0, path.lastIndexOf("/") + 1) + this.#temporaryName;
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

  async #stream(path: string, body: AsyncIterable<Uint8Array>): Promise<void> {
    const fd = await blame(path, () => this.#create(path));
    this.#pieces ??= [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)];
    const writer = new PieceWriter(fd, this.#pieces, this.#isCrowded);
    try {
      for await (const chunk of body) await blame(path, () => writer.write(chunk));
      await blame(path, () => writer.end());
    } finally {
      await writer.settle();
      await closeFd(fd);
    }
  }
}
