import type { NativeFs } from "@tsbuild/native-fs";

/** What the store needs of the addon. */
export type LockCalls = Pick<NativeFs, "tryLock" | "close">;
