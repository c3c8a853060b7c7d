import { suggestion, TsbuildError } from "@tsbuild/base";
import type { Compiled, CompiledPlatform } from "@tsbuild/frontend";
import type { OutputRequest } from "./api.ts";
import type { CompleteRequest } from "./complete-request.ts";

/** A stage that is built, with what is to become of its result. All targets of a build are solved in one. */
export interface BuildTarget {
  /** As it was asked for; undefined: the file's last stage. */
  readonly name: string | undefined;
  readonly compiled: Compiled;
  readonly platforms: readonly CompiledPlatform[];
  /** What of the request is about this one: its names and outputs. */
  readonly request: CompleteRequest;
  /** False: it is built, and its result goes nowhere. */
  readonly isDelivered: boolean;
}

type CompileTarget = (target: string | undefined) => Promise<Compiled>;

function isSame(one: string | undefined, other: string): boolean {
  return one?.toLowerCase() === other.toLowerCase();
}

/** Throws TSB_USAGE for an output of something that is no target of the build. */
function checkOutputs({ target, alsoTargets = [], outputs }: CompleteRequest): void {
  const names = [target, ...alsoTargets].filter((name) => name !== undefined);
  for (const { type, target: wanted } of outputs) {
    if (wanted === undefined || names.some((name) => isSame(name, wanted))) continue;
    throw new TsbuildError("TSB_USAGE", `output type=${type}: target=${wanted} is not built`, {
      hint: names.length === 0 ? `add --target ${wanted}` : suggestion(wanted, names),
    });
  }
}

/** The first target has the names and every output that does not say otherwise. */
function mainRequest(request: CompleteRequest): CompleteRequest {
  const isOwn = ({ target }: OutputRequest) => target === undefined || isSame(request.target, target);
  return { ...request, outputs: request.outputs.filter(isOwn) };
}

/** Config and names are the first target's affair. */
function otherRequest(request: CompleteRequest, target: string): CompleteRequest {
  const outputs = request.outputs.filter(
    (output) => output.target !== undefined && isSame(output.target, target),
  );
  return { ...request, target, outputs, tags: [], unset: [], squash: undefined };
}

async function otherTarget(
  request: CompleteRequest,
  name: string,
  compileTarget: CompileTarget,
): Promise<BuildTarget> {
  const compiled = await compileTarget(name);
  const own = otherRequest(request, name);
  const isDelivered = own.outputs.length > 0;
  return { name, compiled, platforms: compiled.platforms, request: own, isDelivered };
}

/** Stages that no target needs on any platform (W022). */
export function skippedStages(targets: readonly Pick<BuildTarget, "platforms">[]): readonly string[] {
  const [first, ...others] = targets.flatMap(({ platforms }) => platforms);
  const skipped = first?.skippedStages ?? [];
  return skipped.filter((name) => others.every((platform) => platform.skippedStages?.includes(name)));
}

/**
 * Compiles what is to be built: the target, those that are asked for beside it (W021), and stages that are built for their own sake
 * (W022). Each is compiled as if it were alone, so that it has the same steps and the same cache as alone.
 */
export async function compileTargets(
  request: CompleteRequest,
  compileTarget: CompileTarget,
): Promise<readonly [BuildTarget, ...BuildTarget[]]> {
  checkOutputs(request);
  const { target: name, alsoTargets = [], withStages = [], allStages } = request;
  const compiled = await compileTarget(name);
  const main = {
    name,
    compiled,
    platforms: compiled.platforms,
    request: mainRequest(request),
    isDelivered: true,
  };
  const targets: [BuildTarget, ...BuildTarget[]] = [main];
  const add = async (other: string) => {
    if (targets.some((known) => isSame(known.name, other))) return;
    targets.push(await otherTarget(request, other, compileTarget));
  };
  for (const other of [...alsoTargets, ...withStages]) await add(other);
  // Later stages first: what they need is then built, too.
  while (allStages === true) {
    const last = skippedStages(targets).at(-1);
    if (last === undefined) break;
    await add(last);
  }
  const others = targets.slice(1);
  // What is delivered comes first, so that what belongs to it (results, scans) can be counted off in the same order.
  return [main, ...others.filter((one) => one.isDelivered), ...others.filter((one) => !one.isDelivered)];
}
