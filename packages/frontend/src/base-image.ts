import { type Platform, TsbuildError } from "@tsbuild/base";
import { nearest } from "@tsbuild/dockerfile";
import { image as imageSource, scratch } from "@tsbuild/llb";
import { formatReference, type ImageConfig, type ImageReference, parseReference } from "@tsbuild/oci";
import type { ResolvedImage } from "./api.ts";
import type { CompileContext } from "./context.ts";
import { locate } from "./failure.ts";
import { emptyImage, isEmptyImage, workingImage } from "./image-config.ts";
import { checkBasePlatform } from "./lint/from-checks.ts";
import { findNamedContext, loadNamedContext, type NamedContext } from "./named-context.ts";
import { nextStepName } from "./progress.ts";
import type { Stage, StageBase } from "./stage.ts";
import { EMPTY_IMAGE } from "./stage-names.ts";

/** Images that many people mean when they mistype one. */
const COMMON_IMAGES = [
  "alpine",
  "busybox",
  "centos",
  "debian",
  "golang",
  "node",
  "python",
  "ubuntu",
  "fedora",
];

function readReference(name: string): ImageReference {
  try {
    return parseReference(name);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    throw new TsbuildError("TSB_DOCKERFILE", error.message, { hint: error.hint, cause: error });
  }
}

async function resolveImage(stage: Stage, context: CompileContext, name: string, platform: Platform) {
  try {
    return await context.resolver.resolve(name, platform);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    const near = nearest(stage.baseName, [...context.stages.names(), ...COMMON_IMAGES]);
    if (near === undefined || near === stage.baseName) throw error;
    // It says more than the hint of a registry that does not know the name.
    throw new TsbuildError(error.code, error.message, { hint: `did you mean ${near}?`, cause: error });
  }
}

/** Nobody asked for a platform: if the image is for the build platform, that is the target (D067). */
function detectPlatform(image: ImageConfig, wanted: Platform, build: Platform): Platform {
  const matches = (platform: Platform) =>
    platform.os === image.os && platform.architecture === image.architecture;
  return !matches(wanted) && matches(build) ? build : wanted;
}

function scratchBase(context: CompileContext): StageBase {
  const { target } = context.platforms;
  return { state: scratch(), image: emptyImage(target), platform: target };
}

/** The files and config of a named context that is used in place of an image. */
async function contextBase(stage: Stage, context: CompileContext, named: NamedContext): Promise<StageBase> {
  const platform = stage.platform ?? context.platforms.target;
  const { request, resolver, declaredArgs } = context;
  const load = { request, resolver, platform, paths: stage.paths, declaredArgs };
  const loaded = await loadNamedContext(named, load);
  const image = loaded.image === undefined ? emptyImage(platform) : workingImage(loaded.image);
  return { state: loaded.state, image, platform, statePlatform: platform, resolved: loaded.image };
}

/** A whole stage that a named context stands in for: the platform is the image's own. */
async function replacementBase(
  stage: Stage,
  context: CompileContext,
  named: NamedContext,
): Promise<StageBase> {
  const base = await contextBase(stage, context, named);
  const { os, architecture, variant, "os.version": osVersion } = base.image;
  if (base.resolved === undefined || !os || !architecture) return base;
  const platform = { os, architecture, ...(variant ? { variant } : {}), ...(osVersion ? { osVersion } : {}) };
  return { ...base, platform, statePlatform: platform };
}

/** Name of the source: `name:tag@digest` when the digest is known. */
function pinnedName(reference: ImageReference, { digest }: ResolvedImage): string {
  return formatReference(digest === undefined ? reference : { ...reference, digest });
}

async function pulledBase(
  stage: Stage,
  context: CompileContext,
  reference: ImageReference,
): Promise<StageBase> {
  const { platforms, request, multiPlatform, linter } = context;
  const wanted = stage.platform ?? platforms.target;
  const resolved = await resolveImage(stage, context, formatReference(reference), wanted);
  const { config } = resolved;
  const detect = stage.platform === undefined && platforms.implicit;
  const platform = detect ? detectPlatform(config, wanted, platforms.build) : wanted;
  const common = { image: workingImage(config), platform, resolved: config };
  if (isEmptyImage(config)) return { ...common, state: scratch() };
  checkBasePlatform(stage, config, platform, linter);
  const name = pinnedName(reference, resolved);
  const state = imageSource(name, {
    platform,
    resolveMode: request.resolveMode,
    annotations: {
      name: nextStepName(stage, `FROM ${name}`, { platform: multiPlatform ? platform : undefined }),
      ...(stage.source === "" ? {} : { description: { "com.docker.dockerfile.v1.command": stage.source } }),
      lines: stage.range === undefined ? [] : [stage.range],
    },
  });
  return { ...common, state, statePlatform: platform };
}

async function resolve(stage: Stage, context: CompileContext): Promise<StageBase> {
  if (stage.replacement !== undefined) return replacementBase(stage, context, stage.replacement);
  if (stage.baseName === EMPTY_IMAGE) return scratchBase(context);
  const reference = readReference(stage.baseName);
  const platform = stage.platform ?? context.platforms.target;
  const named = findNamedContext(context.request, formatReference(reference), platform);
  if (named !== undefined) return contextBase(stage, context, named);
  return pulledBase(stage, context, reference);
}

/**
 * The filesystem and config that a stage starts on when it is not FROM another stage: scratch, a named context or
 * an image, of which only the config is asked for. Errors point to the FROM.
 */
export async function resolveBase(stage: Stage, context: CompileContext): Promise<StageBase> {
  try {
    return await resolve(stage, context);
  } catch (error) {
    if (error instanceof TsbuildError && stage.range !== undefined)
      throw error.with({ source: locate(context.source, [stage.range]) });
    throw error;
  }
}
