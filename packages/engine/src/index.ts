export type {
  CheckOptions,
  CheckReport,
  Compiled,
  Diagnostic,
  Outline,
  OutlineSecret,
  Target,
} from "@tsbuild/frontend";
export type {
  BuildRequest,
  BuildResult,
  ContextSource,
  Engine,
  EngineOptions,
  ImageSummary,
  Inspection,
  OutputRequest,
  RunRequest,
} from "./api.ts";
export { openEngine } from "./engine.ts";
export { VERSION } from "./version.ts";
