export type {
  FetchedFile,
  HttpFetcher,
  ImageProvider,
  OpsEnvironment,
  ProvidedImage,
} from "./environment.ts";
export type { LocalContext } from "./local/context.ts";
export { resolveOp } from "./resolve.ts";
