import { Writable } from "node:stream";
import type { BuildEvent } from "@tsbuild/base";
import type {
  BuildHistory,
  BuildRequest,
  BuildResult,
  Engine,
  ImageSummary,
  Inspection,
  LocalImages,
  RunRequest,
  ShellRequest,
  Upkeep,
  VerifyReport,
} from "@tsbuild/engine";
import type { CommandIo, InputStream, OutputStream } from "../src/io.ts";

/** A stream that keeps what is written to it. */
export class FakeStream extends Writable implements OutputStream {
  readonly isTTY: boolean;
  columns = 80;
  rows = 24;
  text = "";

  constructor(options: { readonly isTTY?: boolean } = {}) {
    super();
    this.isTTY = options.isTTY ?? false;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.text += Buffer.from(chunk).toString();
    done();
  }
}

/** What an engine was asked for, and what it is to answer. */
export interface EngineScript {
  readonly events?: readonly BuildEvent[];
  readonly result?: BuildResult;
  readonly error?: unknown;
  readonly images?: readonly ImageSummary[];
  readonly exitCode?: number;
  readonly inspection?: Inspection;
  readonly history?: BuildHistory;
  readonly upkeep?: Upkeep;
  readonly localImages?: LocalImages;
  readonly verified?: VerifyReport;
}

export class FakeEngine implements Engine {
  readonly requests: BuildRequest[] = [];
  readonly runs: RunRequest[] = [];
  readonly shells: ShellRequest[] = [];
  readonly imports: (Omit<Parameters<Engine["importImage"]>[0], "source" | "signal"> & { bytes: string })[] =
    [];
  closed = false;
  readonly #script: EngineScript;

  constructor(script: EngineScript) {
    this.#script = script;
  }

  async build(
    request: BuildRequest,
    options: { readonly signal?: AbortSignal; readonly onEvent?: (event: BuildEvent) => void } = {},
  ): Promise<BuildResult> {
    this.requests.push(request);
    for (const event of this.#script.events ?? []) options.onEvent?.(event);
    return this.#answer();
  }

  async importImage(request: Parameters<Engine["importImage"]>[0]): Promise<BuildResult> {
    let bytes = "";
    for await (const chunk of request.source) bytes += Buffer.from(chunk).toString();
    const { source: _, signal: __, ...asked } = request;
    this.imports.push({ ...asked, bytes });
    return this.#answer();
  }

  async verify(request: BuildRequest): Promise<VerifyReport> {
    this.requests.push(request);
    if (this.#script.verified === undefined) throw new Error("this fake verifies nothing");
    return this.#script.verified;
  }

  async inspect(request: BuildRequest): Promise<Inspection> {
    this.requests.push(request);
    this.#answer();
    if (this.#script.inspection === undefined) throw new Error("nothing to inspect");
    return this.#script.inspection;
  }

  async history(): Promise<BuildHistory> {
    if (this.#script.history === undefined) throw new Error("this fake has no history");
    return this.#script.history;
  }

  async localImages(): Promise<LocalImages> {
    if (this.#script.localImages === undefined) throw new Error("this fake has no images");
    return this.#script.localImages;
  }

  images(): readonly ImageSummary[] {
    return this.#script.images ?? [];
  }

  async run(request: RunRequest): Promise<number> {
    this.runs.push(request);
    request.onStart?.(() => undefined);
    this.#answer();
    request.stdout?.(Buffer.from("out\n"));
    request.stderr?.(Buffer.from("err\n"));
    return this.#script.exitCode ?? 0;
  }

  async upkeep(): Promise<Upkeep> {
    if (this.#script.upkeep === undefined) throw new Error("nothing to look after");
    return this.#script.upkeep;
  }

  async shell(request: ShellRequest): Promise<number> {
    this.shells.push(request);
    return 0;
  }
  async close(): Promise<void> {
    this.closed = true;
  }

  #answer(): BuildResult {
    if (this.#script.error !== undefined) throw this.#script.error;
    return this.#script.result ?? { names: [] };
  }
}

export interface FakeWorld extends CommandIo {
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
  readonly engine: FakeEngine;
  readonly roots: (string | undefined)[];
  signalsLeft: boolean;
}

export interface WorldOptions extends EngineScript {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: string;
  readonly stdinIsTTY?: boolean;
  readonly stdoutIsTTY?: boolean;
  readonly stderrIsTTY?: boolean;
  readonly signal?: AbortSignal;
}

export function fakeWorld(options: WorldOptions = {}): FakeWorld {
  const engine = new FakeEngine(options);
  const roots: (string | undefined)[] = [];
  const world: FakeWorld = {
    stdin: fakeInput(options.stdin ?? "", options.stdinIsTTY ?? false),
    stdout: new FakeStream({ isTTY: options.stdoutIsTTY ?? false }),
    stderr: new FakeStream({ isTTY: options.stderrIsTTY ?? false }),
    env: options.env ?? {},
    engine,
    roots,
    signalsLeft: false,
    signal: options.signal ?? new AbortController().signal,
    openEngine: async (engineOptions) => {
      roots.push(engineOptions.root);
      return engine;
    },
    forwardSignals: () => {
      world.signalsLeft = true;
    },
    isQuiet: () => false,
  };
  return world;
}

function fakeInput(text: string, isTTY: boolean): InputStream {
  return {
    isTTY,
    async *[Symbol.asyncIterator]() {
      yield Buffer.from(text);
    },
  };
}
