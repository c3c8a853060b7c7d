import { sha256Fields, TsbuildError } from "@tsbuild/base";
import type { DiffOp, MergeOp, Op } from "@tsbuild/llb";
import type { Ref, VertexOp } from "@tsbuild/solver";
import { refForSnapshot } from "@tsbuild/store";
import type { OpsEnvironment } from "./environment.ts";
import { snapshotOf } from "./tree.ts";

/** Merge: the layers of all inputs on one stack, later over earlier; nothing is copied (V005). */
export function mergeOp(env: OpsEnvironment, op: Op & { readonly kind: MergeOp }): VertexOp {
  const { snapshots } = env.store;
  return {
    cheap: true,
    cacheMap: async () => ({
      digest: sha256Fields(["merge-op-1", JSON.stringify(op.kind.inputs)]),
      inputs: op.inputs.map(() => ({ selector: "" })),
      fields: [],
    }),
    run: async (inputs: readonly Ref[]) => {
      let merged = null as ReturnType<typeof snapshotOf>;
      for (const index of op.kind.inputs) {
        const ref = inputs[index];
        const snapshot = ref === undefined ? null : snapshotOf(ref);
        if (snapshot === null) continue;
        merged = merged === null ? snapshot : snapshots.stack(merged, await snapshots.wholeLayers(snapshot));
      }
      return [refForSnapshot(env.store, merged)];
    },
  };
}

/** Diff: what `upper` has above `lower`. Only for an upper that is built on the lower, where it is the tail of the stack (V006). */
export function diffOp(env: OpsEnvironment, op: Op & { readonly kind: DiffOp }): VertexOp {
  const { snapshots } = env.store;
  return {
    cheap: true,
    cacheMap: async () => ({
      digest: sha256Fields(["diff-op-1", JSON.stringify([op.kind.lower, op.kind.upper])]),
      inputs: op.inputs.map(() => ({ selector: "" })),
      fields: [],
    }),
    run: async (inputs: readonly Ref[]) => {
      const at = async (index: number) => {
        const ref = inputs[index];
        const snapshot = ref === undefined ? null : snapshotOf(ref);
        return snapshot === null ? [] : snapshots.wholeLayers(snapshot);
      };
      const lower = await at(op.kind.lower);
      const upper = await at(op.kind.upper);
      if (!lower.every((layer, i) => layer.id === upper[i]?.id)) {
        throw new TsbuildError(
          "TSB_UNSUPPORTED",
          "diff of two filesystems of which neither is built on the other",
        );
      }
      return [refForSnapshot(env.store, snapshots.stack(null, upper.slice(lower.length)))];
    },
  };
}
