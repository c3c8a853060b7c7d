export { type ScanOptions, scanRoot } from "./scan.ts";
export { type DocumentOptions, spdxDocument } from "./spdx/document.ts";
export type { SpdxDocument, SpdxPackage } from "./spdx/types.ts";
export type { Distribution, FoundPackage, Inventory } from "./types.ts";
