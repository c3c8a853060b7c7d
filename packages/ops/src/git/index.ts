export { folderCommitTime } from "./folder-time.ts";
export type { Credentials } from "./login.ts";
export { createGitProvider, type GitOptions, type GitProvider, treeKey } from "./provider.ts";
export { checkGitRequest, type GitRequest, gitRequest, hostOf } from "./request.ts";
export type { ResolvedRef } from "./resolve-ref.ts";
