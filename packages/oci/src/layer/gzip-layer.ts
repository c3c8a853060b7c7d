import { setImmediate as turn } from "node:timers/promises";
import { type DiffId, errnoCode, TsbuildError } from "@tsbuild/base";
import { GunzipFile, type GunzipFileStep, PassedBy } from "@tsbuild/native-fs";
import { beyond } from "../compression/decompress.ts";
import { damageOf } from "../compression/gunzip.ts";
import type { GrowingFile } from "../workers/growing-file.ts";
import type { LayerTar, MemberMaker, PackedLayer } from "./measure.ts";
import { unpackFailure } from "./tree-writer.ts";

/** So often messages get their turn: what is read here needs no waiting for. */
const TURN_BYTES = 1024 * 1024;

function failureOf(error: unknown, maxBytes: number | undefined): unknown {
  if (!(error instanceof Error) || "path" in error) return unpackFailure(error);
  if (errnoCode(error) === "EILSEQ") return damageOf(error);
  if (errnoCode(error) === "EFBIG") return beyond(maxBytes);
  return unpackFailure(error);
}

/**
 * A gzip layer blob that may still be written. What it is inflated to goes from there into files, without anybody in JavaScript seeing it, as
 * long as members are plain.
 */
export class GzipLayer implements LayerTar {
  readonly #file: GrowingFile;
  readonly #signal: AbortSignal;
  readonly #maxBytes: number | undefined;
  /** Nobody else reads it soon. */
  readonly #passed: PassedBy;
  #offered: MemberMaker | undefined;
  #result: PackedLayer | undefined;

  constructor(
    file: GrowingFile,
    options: { readonly signal: AbortSignal; readonly maxBytes?: number | undefined },
  ) {
    this.#file = file;
    this.#signal = options.signal;
    this.#maxBytes = options.maxBytes;
    this.#passed = new PassedBy(file.fd);
  }

  offer(maker: MemberMaker): void {
    this.#offered = maker;
  }

  result(): PackedLayer {
    if (this.#result === undefined)
      throw new TsbuildError("TSB_INTEGRITY", "the layer was not read to its end");
    return this.#result;
  }

  get stream(): AsyncGenerator<Buffer> {
    return this.#chunks();
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    const gunzip = new GunzipFile(this.#file.fd, { maxBytes: this.#maxBytes });
    try {
      for (let bytes = await this.#next(gunzip); bytes !== undefined; bytes = await this.#next(gunzip))
        yield bytes;
      this.#result = { diffId: `sha256:${gunzip.digest()}` as DiffId, sizeBytes: gunzip.sizeBytes };
    } finally {
      gunzip.close();
    }
  }

  /** Undefined at the end. */
  async #next(gunzip: GunzipFile): Promise<Buffer | undefined> {
    // For this chunk only: who reads the one after it may be in the middle of a member.
    const maker = this.#offered;
    this.#offered = undefined;
    while (true) {
      this.#signal.throwIfAborted();
      const growth = this.#file.growth;
      const readBefore = gunzip.readBytes;
      const { state, bytes, made } = this.#step(gunzip, maker);
      maker?.onMade(made);
      this.#passed.upTo(gunzip.readBytes);
      if (state === "waiting") await this.#file.grown(growth, this.#signal);
      else if (Math.floor(readBefore / TURN_BYTES) < Math.floor(gunzip.readBytes / TURN_BYTES)) await turn();
      if (state === "bytes") return bytes;
      if (state === "ended") return undefined;
    }
  }

  #step(gunzip: GunzipFile, maker: MemberMaker | undefined): GunzipFileStep {
    try {
      return gunzip.step(this.#file.growth, maker?.members);
    } catch (error) {
      throw failureOf(error, this.#maxBytes);
    }
  }
}
