import type { NativeFs } from "@tsbuild/native-fs";

/** What the store needs of the addon. */
export type NativeCalls = Pick<
  NativeFs,
  | "tryLock"
  | "lockByte"
  | "openFolder"
  | "removeInRoot"
  | "apply"
  | "close"
  | "syncFs"
  | "startProgram"
  | "programEnd"
  | "diskUsage"
>;
