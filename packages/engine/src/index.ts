export type {
  BuildRequest,
  BuildResult,
  ContextSource,
  Engine,
  EngineOptions,
  ImageSummary,
  OutputRequest,
  RunRequest,
} from "./api.ts";
export { openEngine } from "./engine.ts";
export { VERSION } from "./version.ts";
