import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type ZlibSync from "zlib-sync";

let loaded: typeof ZlibSync | undefined;

/** Loads the addon when the first gzip stream is read: from beside the bundle, else from its package. */
export function loadZlibSync(): typeof ZlibSync {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    const beside = fileURLToPath(new URL("./zlib_sync.node", import.meta.url));
    loaded = require(existsSync(beside) ? beside : "zlib-sync") as typeof ZlibSync;
  }
  return loaded;
}
