import type { OpContext } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";

/** What builds were told already. */
const told = new WeakMap<OpsEnvironment, Set<string>>();

/** Says in a step's log what its sandbox lacks on this machine: once a build, in the log of the first step that it holds for. */
export function tellOnce(
  { env, context }: { readonly env: OpsEnvironment; readonly context: OpContext },
  text: string,
): void {
  const before = told.get(env) ?? new Set();
  if (before.has(text)) return;
  told.set(env, before.add(text));
  tell(context, text);
}

/** Says in a step's log what tsbuild does with it. */
export function tell(context: OpContext, text: string): void {
  context.emit({
    type: "log",
    at: Date.now(),
    vertex: context.vertex,
    stream: 2,
    data: new TextEncoder().encode(`tsbuild: ${text}\n`),
  });
}
