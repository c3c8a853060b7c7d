export { type CannedImage, CannedImages } from "./canned-images.ts";
export {
  type BuildDump,
  dumpBuild,
  dumpError,
  dumpWarnings,
  type ErrorDump,
  type WarningDump,
} from "./dump-build.ts";
export { dumpOutline, dumpTargets } from "./dump-calls.ts";
export { dumpGraph, type GraphDump, type Json } from "./dump-graph.ts";
export { requestOfOptions } from "./request-options.ts";
