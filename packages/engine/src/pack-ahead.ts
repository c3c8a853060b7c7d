import type { VertexDigest } from "@tsbuild/base";
import type { Graph, Input, Op, Vertex } from "@tsbuild/llb";
import type { CompressionVariant } from "@tsbuild/oci";
import { snapshotOf } from "@tsbuild/ops";
import type { Ref, VertexOp } from "@tsbuild/solver";
import { remoteLayersOf } from "@tsbuild/store";
import type { BuildRun } from "./build.ts";
import { makesImage } from "./output-wishes.ts";
import type { BuildTarget } from "./targets.ts";

/** What has layers of an image that are known before it is whole. */
export interface PackAhead {
  /** The executor of a vertex; what comes out of one whose layer the image has is packed while others run. */
  watch(vertex: Vertex, op: VertexOp): VertexOp;
  /** What is still being packed is given up: nobody has asked for it. Resolves when nothing is any more. */
  end(): Promise<void>;
}

const nothing: PackAhead = { watch: (_vertex, op) => op, end: async () => undefined };

/** The input whose files an op adds to; undefined for one that begins anew, or puts together what others have made. */
function ground({ inputs, kind }: Op): Input | undefined {
  if (kind.type === "exec") return inputs[kind.mounts.find(({ dest }) => dest === "/")?.input ?? -1];
  return kind.type === "file" ? inputs[kind.actions[0]?.input ?? -1] : undefined;
}

/** Which output of which vertices an image is a stack of: its result's, that of what it was made on, and so on. */
export function stackedOutputs(graph: Graph): ReadonlyMap<VertexDigest, number> {
  const vertices = new Map(graph.vertices.map((vertex) => [vertex.digest, vertex]));
  const stacked = new Map<VertexDigest, number>();
  for (let at = graph.result; at != null && !stacked.has(at.digest); ) {
    stacked.set(at.digest, at.index);
    const vertex = vertices.get(at.digest);
    at = vertex === undefined ? null : (ground(vertex.op) ?? null);
  }
  return stacked;
}

interface Wanted {
  /** Which output of the vertex has the layer. */
  readonly output: number;
  readonly compress: CompressionVariant;
}

/** How an image's outputs want its layers; undefined when something is made of them before, or nothing is compressed. */
async function wantedForm({ request }: BuildTarget): Promise<CompressionVariant | undefined> {
  const { outputs, squash, reproducible } = request;
  if (squash !== undefined || reproducible === true) return undefined;
  if (!outputs.some(makesImage)) return undefined;
  const { clampsAll, wantedCompression } = await import("@tsbuild/export/wanted");
  return clampsAll(outputs) ? undefined : wantedCompression(outputs);
}

/**
 * Packs large layers of images while later steps run: such a layer is in the image whatever these do, and packing it can take as long as they.
 * Only for outputs that ask for compressed ones.
 */
export async function packAhead(run: BuildRun, targets: readonly BuildTarget[]): Promise<PackAhead> {
  const wanted = new Map<VertexDigest, Wanted>();
  for (const target of targets.filter(({ isDelivered }) => isDelivered)) {
    const compress = await wantedForm(target);
    if (compress === undefined) continue;
    for (const { graph } of target.platforms)
      for (const [vertex, output] of stackedOutputs(graph)) wanted.set(vertex, { output, compress });
  }
  return wanted.size === 0 ? nothing : new LayersAhead(run, wanted);
}

class LayersAhead implements PackAhead {
  readonly #run: BuildRun;
  readonly #wanted: ReadonlyMap<VertexDigest, Wanted>;
  readonly #stop = new AbortController();
  readonly #packing = new Set<Promise<void>>();

  constructor(run: BuildRun, wanted: ReadonlyMap<VertexDigest, Wanted>) {
    this.#run = run;
    this.#wanted = wanted;
  }

  watch(vertex: Vertex, op: VertexOp): VertexOp {
    const wanted = this.#wanted.get(vertex.digest);
    if (wanted === undefined) return op;
    return {
      cheap: op.cheap,
      cacheMap: (context) => op.cacheMap(context),
      run: async (inputs, context) => {
        const refs = await op.run(inputs, context);
        const ref = refs[wanted.output];
        if (ref !== undefined && remoteLayersOf(ref) === undefined) this.#begin(ref.clone(), wanted);
        return refs;
      },
    };
  }

  #begin(ref: Ref, { compress }: Wanted): void {
    const packing = this.#pack(ref, compress)
      // What goes wrong is told when the image is committed, which asks for the same.
      .catch(() => undefined)
      .finally(() => {
        ref.release();
        this.#packing.delete(packing);
      });
    this.#packing.add(packing);
  }

  async #pack(ref: Ref, compress: CompressionVariant): Promise<void> {
    // The step that waits for this one begins first.
    await new Promise((resolve) => setImmediate(resolve));
    const { session, signal } = this.#run;
    const { packLargeLayers } = await import("@tsbuild/export");
    if (this.#stop.signal.aborted) return;
    const snapshot = snapshotOf(ref);
    const stop = AbortSignal.any([signal, this.#stop.signal]);
    await packLargeLayers(session.store, { snapshot, compress, signal: stop });
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#packing);
  }
}
