export { addonPath } from "./addon.ts";
export type * from "./api.ts";
export { type BlockCompression, compressBlock } from "./compress.ts";
export { decodeName, encodeName } from "./names.ts";
export { nativeFs } from "./native.ts";
export { encodeTreeOps } from "./ops.ts";
export { decodeTree, TreeReader } from "./tree.ts";
export { TWIN } from "./twin.ts";
export { inUserNamespace } from "./user-namespace.ts";
