import { resolve } from "node:path";
import {
  type BuildEvent,
  type Digest,
  formatPlatform,
  sha256Fields,
  TsbuildError,
  type VertexDigest,
} from "@tsbuild/base";
import type { CompiledPlatform } from "@tsbuild/frontend";
import type { Graph } from "@tsbuild/llb";
import type { CacheKeyId } from "@tsbuild/solver";
import type { Store } from "@tsbuild/store";
import { alignSteps } from "./align-steps.ts";
import type { CompleteRequest } from "./complete-request.ts";
import type { PreparedRequest } from "./request.ts";

/** A step of an earlier build: how progress named it, and under which key its result was found or recorded. */
interface RememberedStep {
  readonly name: string;
  readonly key: CacheKeyId;
  /** The most memory that it took when it last ran. */
  readonly peakMemoryBytes?: number | undefined;
}

const KIND = "build-steps";

interface RememberOptions {
  readonly emit: (event: BuildEvent) => void;
  /** Of a step that ran in this build. */
  readonly peakMemoryOf: (vertex: VertexDigest) => number | undefined;
}

/**
 * What makes two builds versions of one: the same Dockerfile, target and platforms from the same place, whatever is in the files. A digest.
 * A Dockerfile that is given as text, whatever it is called, is none of the files of its folder.
 */
export function projectOf(
  { context, target = "", dockerfileText }: CompleteRequest,
  { dockerfile }: PreparedRequest,
  platforms: readonly Pick<CompiledPlatform, "platform">[],
): Digest {
  const remote = context.type === "remote" ? context.url : context.type;
  const place = context.type === "folder" ? resolve(context.path) : remote;
  return sha256Fields([
    place,
    dockerfileText === undefined ? dockerfile.file : "-",
    target,
    platforms.map(({ platform }) => formatPlatform(platform)).join(","),
  ]);
}

/**
 * The steps of the last build of a project, to say what has changed since (W001). Kept as a remembered value: when it is forgotten,
 * steps are "never built here".
 */
export class PreviousBuild {
  readonly #store: Store;
  readonly #project: Digest;
  readonly #graph: Graph;
  #isFirst = false;
  #matched: ReadonlyMap<VertexDigest, RememberedStep> | undefined;

  constructor(store: Store, project: Digest, graph: Graph) {
    this.#store = store;
    this.#project = project;
    this.#graph = graph;
  }

  /** Key of the step that a vertex was in the last build. Read when the first step has to run: a cached build needs none of it. */
  keyOf(vertex: VertexDigest): CacheKeyId | "first-build" | undefined {
    const step = this.#stepOf(vertex);
    return this.#isFirst ? "first-build" : step?.key;
  }

  /** What the step took when it last ran. */
  peakMemoryOf(vertex: VertexDigest): number | undefined {
    return this.#stepOf(vertex)?.peakMemoryBytes;
  }

  #stepOf(vertex: VertexDigest): RememberedStep | undefined {
    this.#matched ??= this.#match();
    return this.#matched.get(vertex);
  }

  #remembered(): readonly RememberedStep[] {
    const value = this.#store.memo.get(KIND, this.#project);
    return value === undefined ? [] : (JSON.parse(Buffer.from(value).toString()) as RememberedStep[]);
  }

  #match(): ReadonlyMap<VertexDigest, RememberedStep> {
    const before = this.#remembered();
    this.#isFirst = before.length === 0;
    const now = this.#graph.vertices.map((vertex) => ({
      digest: vertex.digest,
      name: vertex.metadata.name ?? vertex.digest,
    }));
    const pairs = alignSteps(
      before.map(({ name }) => name),
      now.map(({ name }) => name),
    );
    const matched = new Map<VertexDigest, RememberedStep>();
    for (const [index, old] of pairs) matched.set(now[index]!.digest, before[old]!);
    return matched;
  }

  /**
   * Remembers what was found and recorded. Steps that a build did not come to, as it failed or did not need them, keep what is known of them. That a full disk keeps it
   * from being written is a warning: it must neither fail a build nor take the place of the error that one failed with.
   */
  remember(recorded: ReadonlyMap<VertexDigest, CacheKeyId>, { emit, peakMemoryOf }: RememberOptions): void {
    try {
      this.#write(recorded, peakMemoryOf);
    } catch (error) {
      if (!(error instanceof TsbuildError)) throw error;
      const message = `the next build will not say what changed since this one: ${error.message}`;
      emit({ type: "warning", at: Date.now(), message });
    }
  }

  #write(
    recorded: ReadonlyMap<VertexDigest, CacheKeyId>,
    peakMemoryOf: RememberOptions["peakMemoryOf"],
  ): void {
    // Also when nothing ran: what steps took stays known, and those that nobody looked at, since what is made of them was found.
    this.#matched ??= this.#match();
    const steps = this.#graph.vertices.flatMap(({ digest, metadata }): RememberedStep[] => {
      const before = this.#matched?.get(digest);
      const key = recorded.get(digest) ?? before?.key;
      const peakMemoryBytes = peakMemoryOf(digest) ?? before?.peakMemoryBytes;
      return key === undefined ? [] : [{ name: metadata.name ?? digest, key, peakMemoryBytes }];
    });
    if (steps.length > 0) this.#store.memo.set(KIND, this.#project, Buffer.from(JSON.stringify(steps)));
  }
}
