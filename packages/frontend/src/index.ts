export type * from "./api.ts";
export { type CheckOptions, type CheckReport, check, type Diagnostic } from "./check.ts";
export { compile } from "./compile.ts";
export { dumpGraph, type GraphDump, type Json } from "./debug/dump-graph.ts";
export { type FixResult, fixDiagnostics } from "./lint/fix/fix.ts";
export type { Severity } from "./lint/rule-page.ts";
export { type Outline, type OutlineArg, type OutlineCache, type OutlineSecret, outline } from "./outline.ts";
export { normalizePlatform, parsePlatform } from "./platform.ts";
export { listTargets, type Target } from "./targets.ts";
