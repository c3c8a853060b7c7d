export type {
  FetchedFile,
  HttpFetcher,
  ImageProvider,
  OpsEnvironment,
  ProvidedImage,
  ResolveOptions,
} from "./environment.ts";
export { type ExecRun, type ProcessIo, runThrowaway } from "./exec/run.ts";
export { createImageProvider, type ProviderOptions } from "./images/provider.ts";
export type { LocalContext } from "./local/context.ts";
export { resolveOp } from "./resolve.ts";
export { createHttpFetcher } from "./source/fetcher.ts";
export { snapshotOf } from "./tree.ts";
