import type { Platform } from "@tsbuild/base";
import type { DockerfileAst, DockerfileProgram } from "@tsbuild/dockerfile";
import { scratch } from "@tsbuild/llb";
import type { CompiledPlatform, CompileRequest } from "./api.ts";
import { Budget } from "./budget.ts";
import type { CompileContext, PlatformChoice } from "./context.ts";
import { connectStages, refuseCycles } from "./dependencies.ts";
import { resolveEpoch, setEpoch, wantedEpoch } from "./epoch.ts";
import { globalArgs, predefinedArgs } from "./global-args.ts";
import { formatEpoch } from "./history.ts";
import { ignoreMatcher, ignorePatterns } from "./ignore.ts";
import { emptyImage, finishImage } from "./image-config.ts";
import { checkFile } from "./lint/file-checks.ts";
import { checkDefaultArgs } from "./lint/from-checks.ts";
import type { Linter } from "./lint/linter.ts";
import { isLocalContext, mainContext } from "./main-context.ts";
import { planStages } from "./plan-stages.ts";
import { proxyEnv } from "./proxy.ts";
import type { RecordingResolver } from "./recording-resolver.ts";
import { buildStages, resolveStages } from "./resolve-stages.ts";
import { sbomExtras } from "./sbom-extras.ts";
import type { Stage } from "./stage.ts";
import { reachableFrom } from "./stage-table.ts";

/** What all platforms of one compilation share. */
export interface Compilation {
  readonly request: CompileRequest;
  readonly ast: DockerfileAst;
  readonly program: DockerfileProgram;
  readonly resolver: RecordingResolver;
  readonly multiPlatform: boolean;
  /** Names of all ARGs, triggers' among them: filled while it goes on. */
  readonly declaredArgs: Set<string>;
}

function choose(request: CompileRequest, target: Platform | undefined): PlatformChoice {
  const build = request.buildPlatform;
  return { target: target ?? build, build, implicit: target === undefined };
}

async function startContext(
  compilation: Compilation,
  platform: Platform | undefined,
  linter: Linter,
): Promise<CompileContext> {
  const { request, ast, program, resolver, multiPlatform } = compilation;
  const platforms = choose(request, platform);
  const budget = new Budget();
  const wordOptions = { escape: ast.escape, spend: (bytes: number) => budget.spend(bytes) };
  const buildArgs = new Map(Object.entries(request.buildArgs));
  const lastStage = program.stages.at(-1)?.from.stageName ?? "";
  const predefined = predefinedArgs(platforms, request.target || lastStage, buildArgs);
  checkDefaultArgs(program, predefined, wordOptions, linter);
  const args = globalArgs({
    instructions: program.metaArgs,
    predefined,
    buildArgs,
    wordOptions,
    source: ast,
  });
  const { stages } = program;
  const question = { request, resolver, source: ast, wordOptions, platforms, globalArgs: args, stages };
  if (request.reproducible !== undefined && wantedEpoch(buildArgs, args) === "")
    buildArgs.set("SOURCE_DATE_EPOCH", String(request.reproducible.epochSeconds));
  const wanted = wantedEpoch(buildArgs, args);
  const epochSeconds = await resolveEpoch(wanted, question);
  if (wanted !== "" || buildArgs.has("SOURCE_DATE_EPOCH")) setEpoch(epochSeconds, buildArgs, args);
  const patterns = request.ignore && isLocalContext(request) ? ignorePatterns(request.ignore) : [];
  const contextPaths = new Set<string>();
  const keys = program.metaArgs.flatMap((instruction) => instruction.args.map(({ key }) => key));
  const declared = new Set([...args.names(), ...keys]);
  for (const key of keys) compilation.declaredArgs.add(key);
  return {
    request,
    source: ast,
    wordOptions,
    platforms,
    globalArgs: args,
    buildArgs,
    epochSeconds,
    proxyEnv: proxyEnv(buildArgs),
    multiPlatform,
    hostname: request.buildArgs["BUILDKIT_SANDBOX_HOSTNAME"] || request.hostname || "",
    cacheNamespace: request.buildArgs["BUILDKIT_CACHE_MOUNT_NS"] ?? "",
    resolver,
    stages: planStages(stages, {
      request,
      source: ast,
      wordOptions,
      platforms,
      globalArgs: args,
      linter,
      declared,
    }),
    linter,
    budget,
    declaredArgs: compilation.declaredArgs,
    mainContext: mainContext(request, contextPaths, patterns),
    contextPaths,
    ignored: ignoreMatcher(patterns),
  };
}

/** The whole result is used, whatever of it was asked for on the way. */
function markResult(target: Stage): void {
  target.paths.add("/");
}

function finish(target: Stage, context: CompileContext): CompiledPlatform {
  const { platforms, request, source, epochSeconds } = context;
  const image = target.build?.wholeImage() ?? target.resolved?.image ?? emptyImage(platforms.target);
  if (Object.keys(request.labels).length > 0)
    image.config.Labels = { ...image.config.Labels, ...request.labels };
  const state = target.result ?? scratch();
  const file = { file: source.file, language: "Dockerfile", text: source.text };
  const graph = state.toGraph(file);
  const extras = sbomExtras(target, context).map((extra) => ({
    name: extra.name,
    graph: extra.state.toGraph(file),
  }));
  const baseImage = target.build?.resolvedImage;
  const finished = finishImage(image, platforms.implicit ? undefined : platforms.target);
  return {
    platform: platforms.target,
    graph,
    image: epochSeconds === undefined ? finished : { created: formatEpoch(epochSeconds), ...finished },
    ...(baseImage === undefined ? {} : { baseImage }),
    ...(epochSeconds === undefined ? {} : { epochSeconds }),
    ...(extras.length === 0 ? {} : { sbomExtras: extras }),
    ...stagesOf(target, context),
  };
}

function stagesOf(
  target: Stage,
  context: CompileContext,
): Pick<CompiledPlatform, "stages" | "skippedStages"> {
  const stack = target.build?.stack().map(({ stage: { name, index }, entriesBefore }) => ({
    ...(name === undefined ? {} : { name }),
    index,
    entriesBefore,
  }));
  const needed = reachableFrom(target);
  const skipped = context.stages.stages
    .filter((stage) => !stage.implicit && !needed.has(stage))
    .map(({ name, index }) => name ?? String(index));
  return {
    ...(stack === undefined ? {} : { stages: stack }),
    ...(skipped.length === 0 ? {} : { skippedStages: skipped }),
  };
}

/** Progress leaves out the name of the only stage; a file with any mount counts as more than one, as in BuildKit. */
function isSingleStage({ stages }: CompileContext): boolean {
  const [stage, ...others] = stages.stages;
  const hasMounts = stage?.written.some((command) => command.kind === "run" && command.mounts.length > 0);
  return others.length === 0 && !hasMounts;
}

export interface CompiledTarget {
  readonly target: Stage;
  readonly context: CompileContext;
}

/**
 * Runs the instructions of the stages that the target needs, for one platform; undefined: the build platform,
 * unless the base image says otherwise.
 */
export async function compileTarget(
  compilation: Compilation,
  platform: Platform | undefined,
  linter: Linter,
): Promise<CompiledTarget> {
  checkFile(compilation.ast, compilation.program, linter);
  const context = await startContext(compilation, platform, linter);
  const target = context.stages.target(compilation.request.target);
  connectStages(context);
  refuseCycles(context);
  if (isSingleStage(context)) target.displayName = compilation.request.includedBy?.at(-1) ?? "";
  const needed = await resolveStages(target, context);
  buildStages(needed, context);
  markResult(target);
  return { target, context };
}

/** Compiles for one platform. */
export async function compilePlatform(
  compilation: Compilation,
  platform: Platform | undefined,
  linter: Linter,
): Promise<CompiledPlatform> {
  const { target, context } = await compileTarget(compilation, platform, linter);
  linter.refuseWarnings(compilation.ast);
  return finish(target, context);
}
