import type { Platform } from "@tsbuild/base";
import type { ContainerConfig, ImageConfig } from "@tsbuild/oci";
import { DEFAULT_PATH } from "./paths.ts";
import { normalizePlatform } from "./platform.ts";

/** A stage's image while it is made: the config is always there. */
export interface WorkingImage extends ImageConfig {
  config: ContainerConfig;
  history: NonNullable<ImageConfig["history"]>;
}

function platformFields(platform: Platform): Partial<ImageConfig> {
  return {
    ...(platform.variant ? { variant: platform.variant } : {}),
    ...(platform.osVersion ? { "os.version": platform.osVersion } : {}),
  };
}

/** The image of `FROM scratch` (D064). */
export function emptyImage(platform: Platform): WorkingImage {
  const env = platform.os === "windows" ? {} : { Env: [`PATH=${DEFAULT_PATH}`] };
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...platformFields(platform),
    config: { WorkingDir: "/", ...env },
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  };
}

/** A private copy of a base image's config to go on with. The time of the base is not the time of the child (X023). */
export function workingImage(base: ImageConfig): WorkingImage {
  const { created: _, ...copy } = structuredClone(base);
  return { ...copy, config: copy.config ?? {}, history: copy.history ?? [] };
}

/** An image without layers counts as scratch; old schema-1 images have no diff ids, but a history (D064). */
export function isEmptyImage(image: ImageConfig): boolean {
  const layers = image.rootfs?.diff_ids?.length ?? 0;
  return layers === 0 && (image.history ?? []).every((entry) => entry.empty_layer === true);
}

function isEmptyValue(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

/** Drops what is empty, as Docker and the specification's Go types leave it out. */
function compactConfig(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => !isEmptyValue(value)));
}

/** Sets the platform that was asked for; a base of another variant of the same architecture keeps its variant. */
function applyTarget(image: WorkingImage, target: Platform): void {
  const same = image.os === target.os && image.architecture === target.architecture;
  image.os = target.os;
  image.architecture = target.architecture;
  if (target.variant || !same) image.variant = target.variant ?? "";
  if (target.osVersion || !same) image["os.version"] = target.osVersion ?? "";
}

function applyNormalized(image: WorkingImage): void {
  const { os, architecture, variant } = normalizePlatform(image);
  image.os = os;
  image.architecture = architecture;
  image.variant = variant ?? "";
}

/**
 * The image config as it is exported (X021). `target` is the platform that was asked for; without it the base's own
 * stands (D067). Fields that are not known here are kept.
 */
export function finishImage(working: WorkingImage, target: Platform | undefined): ImageConfig {
  const image = structuredClone(working);
  if (target !== undefined) applyTarget(image, target);
  applyNormalized(image);
  const { variant, "os.version": osVersion, config, history, ...rest } = image;
  return {
    ...rest,
    ...(history.length > 0 ? { history } : {}),
    ...(variant ? { variant } : {}),
    ...(osVersion ? { "os.version": osVersion } : {}),
    config: compactConfig(config),
  };
}
