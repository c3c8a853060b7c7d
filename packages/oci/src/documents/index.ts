/** Names and documents of images alone: what a build that finds everything in the cache loads of this package. */
export { makeFolders } from "@tsbuild/native-fs";
export {
  familiarName,
  formatReference,
  type ImageName,
  type ImageReference,
  parseReference,
  shownName,
} from "../reference.ts";
export * from "../types.ts";
export { alignHistory, withAlignedHistory } from "./align-history.ts";
export { parseImageConfig } from "./config.ts";
export { isIndexType, parseIndex, parseManifest } from "./manifest.ts";
export { bestPlatform, selectPlatform } from "./platform.ts";
