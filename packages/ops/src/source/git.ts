import { sha256Fields } from "@tsbuild/base";
import type { Op, SourceOp } from "@tsbuild/llb";
import type { VertexOp } from "@tsbuild/solver";
import { refForSnapshot } from "@tsbuild/store";
import type { OpsEnvironment } from "../environment.ts";

/** Executor of `git://…`: the tree of a commit (D112, X004). The name is resolved at every build, the commit is the key (V018). */
export function gitOp(
  env: OpsEnvironment,
  op: Op & { readonly kind: SourceOp },
  found: (commit: string) => void,
): VertexOp {
  const load = async () => {
    const [{ gitRequest, treeKey }, git] = await Promise.all([import("../git/index.ts"), env.git()]);
    const request = gitRequest(op.kind);
    const resolved = await git.resolve(request);
    found(resolved.commit);
    return { git, request, treeKey, resolved };
  };
  let loaded: ReturnType<typeof load> | undefined;
  const once = (): ReturnType<typeof load> => {
    loaded ??= load();
    return loaded;
  };
  return {
    cacheMap: async () => {
      const { request, resolved, treeKey } = await once();
      return {
        digest: sha256Fields(treeKey(request, resolved)),
        inputs: [],
        fields: [{ name: `git:${op.kind.identifier.slice("git://".length)}`, value: resolved.commit }],
      };
    },
    run: async () => {
      const { git, request, resolved } = await once();
      return [refForSnapshot(env.store, await git.tree(request, resolved))];
    },
  };
}
