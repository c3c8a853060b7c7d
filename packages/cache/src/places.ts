import type { Store } from "@tsbuild/store";
import {
  type CacheOptions,
  type Env,
  localSourcePlace,
  localTargetPlace,
  manifestForm,
  registryPlace,
} from "./options.ts";
import type { CacheSource, CacheTarget } from "./ports.ts";
import type { OpenRegistry } from "./registry.ts";

export interface PlaceOptions {
  readonly store: Store;
  readonly registry: OpenRegistry;
  readonly env: Env;
}

/** The place behind a --cache-from. Its code is loaded when it is asked for. Throws TSB_USAGE. */
export async function openSource(
  options: CacheOptions,
  { registry, env }: PlaceOptions,
): Promise<CacheSource> {
  switch (options.type) {
    case "local":
      return (await import("./local.ts")).localSource(localSourcePlace(options));
    case "s3":
      return (await import("./s3/cache.ts")).s3Source(options, env);
    case "gha":
      return (await import("./gha/cache.ts")).ghaSource(options, env);
    default:
      return (await import("./registry.ts")).registrySource(registryPlace(options), registry);
  }
}

/** The place behind a --cache-to; not for `inline`, whose place is the image. Throws TSB_USAGE. */
export async function openTarget(
  options: CacheOptions,
  { store, registry, env }: PlaceOptions,
): Promise<CacheTarget> {
  switch (options.type) {
    case "local":
      return (await import("./local.ts")).localTarget(localTargetPlace(options), store);
    case "s3":
      return (await import("./s3/cache.ts")).s3Target(options, env);
    case "gha":
      return (await import("./gha/cache.ts")).ghaTarget(options, env);
    default: {
      const { registryTarget } = await import("./registry.ts");
      return registryTarget(
        { ...registryPlace(options), ...manifestForm(options) },
        { store, open: registry },
      );
    }
  }
}
