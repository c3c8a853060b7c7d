import { TsbuildError } from "@tsbuild/base";
import type { CompiledPlatform } from "@tsbuild/frontend";
import { type ExecOp, sourceLocation } from "@tsbuild/llb";
import type { Entitlement } from "./api.ts";
import type { CompleteRequest } from "./complete-request.ts";

/** What a step asks for, as its RUN spells it. */
function needsOf(exec: ExecOp): [Entitlement, string][] {
  return [
    ...(exec.network === "host" ? [["network.host", "RUN --network=host"] as [Entitlement, string]] : []),
    ...(exec.security === "insecure"
      ? [["security.insecure", "RUN --security=insecure"] as [Entitlement, string]]
      : []),
  ];
}

/**
 * Refuses a graph with steps that want more than the caller allows (C021, D086, D087). All vertices are looked at, also those whose
 * result is known: whether a build is allowed must not depend on the cache. Throws TSB_ENTITLEMENT with the lines of the RUN.
 */
export function checkEntitlements(request: CompleteRequest, { graph }: CompiledPlatform): void {
  const allowed = new Set(request.allow ?? []);
  // Who gives every step the host's network has allowed it.
  if (request.network === "host") allowed.add("network.host");
  for (const { digest, op } of graph.vertices) {
    const missing =
      op.kind.type === "exec" ? needsOf(op.kind).find(([need]) => !allowed.has(need)) : undefined;
    if (missing === undefined) continue;
    const [need, words] = missing;
    const source = sourceLocation(graph, digest);
    throw new TsbuildError("TSB_ENTITLEMENT", `${words} is not allowed: this build was not given ${need}`, {
      hint: `if you trust this Dockerfile with it: --allow ${need}`,
      vertex: digest,
      ...(source === undefined ? {} : { source }),
    });
  }
}
