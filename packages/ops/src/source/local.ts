import { sha256Fields, TsbuildError } from "@tsbuild/base";
import type { Op, SourceOp } from "@tsbuild/llb";
import type { VertexOp } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { refForContext } from "../local/context.ts";

/** Executor of `local://NAME`: nothing is copied; whoever uses it reads the folder in place (V016, X003). */
export function localOp(env: OpsEnvironment, op: Op & { readonly kind: SourceOp }): VertexOp {
  const name = op.kind.identifier.slice("local://".length);
  return {
    cheap: true,
    cacheMap: async () => ({
      digest: sha256Fields(["local-1", name]),
      inputs: [],
      fields: [],
      contentOnly: true,
    }),
    run: async () => {
      const context = env.contexts.get(name);
      if (context === undefined) {
        const what = name === "context" ? "a build context" : `the build context ${JSON.stringify(name)}`;
        throw new TsbuildError("TSB_CONTEXT", `files of ${what} are needed, and there is none`, {
          hint: "give its folder as the last argument: tsbuild build . (with a Dockerfile from standard input: -f - .)",
        });
      }
      return [refForContext(context)];
    },
  };
}
