export type * from "./api.ts";
export { blobSources, rememberSource } from "./blob-sources.ts";
export { type PruneReport, prune } from "./collect.ts";
export { fsck, type StoreProblem } from "./fsck.ts";
export { openStore, type StoreOptions } from "./open.ts";
export { refForSnapshot, snapshotOf } from "./refs.ts";
export { defaultRoot } from "./root.ts";
export { inUserNamespace } from "./user-namespace.ts";
export { overlayRefusal } from "./views/probe.ts";
