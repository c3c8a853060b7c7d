export type {
  CheckOptions,
  CheckReport,
  Compiled,
  Diagnostic,
  Outline,
  OutlineSecret,
  Target,
} from "@tsbuild/frontend";
export type { AgentSource, StepResources } from "@tsbuild/ops";
export type {
  CollectReport,
  DiskUsage,
  FsckReport,
  Holder,
  MountInfo,
  Size,
  StoreProblem,
  UsageRecord,
  UsageType,
} from "@tsbuild/store";
export type {
  AttestationRequest,
  BuildPlan,
  BuildRequest,
  BuildResult,
  CacheRequest,
  ConfigRemoval,
  ContextSource,
  Engine,
  EngineOptions,
  Entitlement,
  FailedStep,
  FailureOutput,
  ImageSummary,
  Inspection,
  OutputRequest,
  RunRequest,
  SecretRequest,
  SecretSource,
  ShellRequest,
} from "./api.ts";
export { endProcess } from "./end-process.ts";
export { openEngine } from "./engine.ts";
export type { BuildHistory, RecordedStep } from "./history/read.ts";
export type { BuildRecord, BuildStatus, RecordedRequest, StepRecord } from "./history/record.ts";
export type { PathChange } from "./images/anatomy/compare.ts";
export type { ConfigChange } from "./images/anatomy/config-difference.ts";
export type { ImageDifference } from "./images/anatomy/index.ts";
export type {
  DuplicateFiles,
  ImageAnatomy,
  LayerAnatomy,
  LayerFile,
  WastedFiles,
} from "./images/anatomy/types.ts";
export type {
  ImageDetails,
  ImageSbom,
  ImageStep,
  IndexAnnotation,
  LoadedImage,
  LocalImages,
  MovedImage,
  PullOptions,
  RemovedImage,
} from "./images/api.ts";
export type { PruneRequest, Upkeep } from "./upkeep/upkeep.ts";
export type { FirstDifference } from "./verify/compare.ts";
export type { VerifyReport } from "./verify/verify.ts";
export { VERSION } from "./version.ts";
