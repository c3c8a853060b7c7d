// What a fully cached build needs. `@tsbuild/ops/process`, `@tsbuild/ops/file` and `@tsbuild/ops/http` are loaded when something runs, is copied or fetched.

export type { LargeContext } from "./content/large.ts";
export type {
  FetchedFile,
  HttpFetcher,
  ImageProvider,
  Isolation,
  OpsEnvironment,
  ProvidedImage,
  ResolveOptions,
} from "./environment.ts";
export {
  type AgentSource,
  NO_GRANTS,
  type Secret,
  type StepGrants,
  type StepResources,
} from "./grants/grants.ts";
export { SecretMask } from "./grants/mask.ts";
export { pinLayout } from "./images/origin.ts";
export { createImageProvider, type ProviderOptions } from "./images/provider.ts";
export { contextOf, type LocalContext, refForContext } from "./local/context.ts";
export { resolveOp } from "./resolve.ts";
export { anySource, type SourceName, type SourceRules } from "./sources.ts";
export { snapshotOf } from "./tree.ts";
