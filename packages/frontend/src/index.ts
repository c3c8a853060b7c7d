export type * from "./api.ts";
export { compile } from "./compile.ts";
export { dumpGraph, type GraphDump, type Json } from "./debug/dump-graph.ts";
export { normalizePlatform, parsePlatform } from "./platform.ts";
