import { type State, scratch } from "@tsbuild/llb";
import type { CompileContext } from "./context.ts";
import type { Stage } from "./stage.ts";
import { reachableFrom } from "./stage-table.ts";

/** What a scan for a bill of materials looks at beside the result. */
export interface SbomExtra {
  /** Name of the stage, or `context`. */
  readonly name: string;
  readonly state: State;
}

/** True, false, or a list of the stages that it is true for (D057). */
function isOn(value: string | undefined, stage: string): boolean {
  if (value === undefined) return false;
  if (/^(?:1|t|true)$/i.test(value)) return true;
  return value.split(",").includes(stage);
}

/** The ARG of the stage itself, else the one before the first FROM. */
function argOf(name: string, stage: Stage, { globalArgs }: CompileContext): string | undefined {
  const own = stage.build?.ownArgs().findLast(({ key }) => key === name);
  return own === undefined ? globalArgs.get(name) : own.value;
}

/**
 * The stages that `ARG BUILDKIT_SBOM_SCAN_STAGE` asks to be scanned, as far as the target needs them, and the user's
 * files for `BUILDKIT_SBOM_SCAN_CONTEXT`; by name. The target itself is always scanned and not among them.
 */
export function sbomExtras(target: Stage, context: CompileContext): SbomExtra[] {
  const extras: SbomExtra[] = [];
  if (isOn(argOf("BUILDKIT_SBOM_SCAN_CONTEXT", target, context), target.displayName))
    extras.push({ name: "context", state: context.mainContext });
  for (const stage of reachableFrom(target)) {
    if (stage === target || stage.isPlain) continue;
    if (isOn(argOf("BUILDKIT_SBOM_SCAN_STAGE", stage, context), stage.displayName))
      extras.push({ name: stage.displayName, state: stage.result ?? scratch() });
  }
  return extras.sort((a, b) => (a.name < b.name ? -1 : 1));
}
