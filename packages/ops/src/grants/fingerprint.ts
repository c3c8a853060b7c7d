import { createHmac, randomBytes } from "node:crypto";
import { linkSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import type { Secret } from "./grants.ts";

const NAME = "secret-fingerprint-key";
const KEY_BYTES = 32;

function readKey(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Makes the key unless another process was faster: a link shows it whole or not at all. */
function makeKey(root: string, path: string): Buffer {
  const folder = mkdtempSync(join(root, "key-"));
  try {
    const made = join(folder, NAME);
    writeFileSync(made, randomBytes(KEY_BYTES), { mode: 0o600 });
    linkSync(made, path);
  } catch (error) {
    if (errnoCode(error) !== "EEXIST") throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
  return readFileSync(path);
}

/**
 * What stands for a secret's value in a key (W010): HMAC-SHA256 under a random key of this state folder. Who gets hold of the records
 * alone, e.g. in an exported cache, cannot try values out.
 */
export function secretFingerprint(root: string, id: string, { value }: Secret): string {
  const path = join(root, NAME);
  const key = readKey(path) ?? makeKey(root, path);
  return createHmac("sha256", key).update(`${id}\0`).update(value).digest("hex");
}
