import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecOp } from "@tsbuild/llb";
import type { OpsEnvironment } from "../environment.ts";

const FOLDERS = ["proc", "dev", "sys", "etc"];
const FILES = ["etc/resolv.conf", "etc/hosts"];

const made = new WeakMap<OpsEnvironment["store"], string>();

/**
 * A layer below all of a step's, with what every step has something mounted on: most images lack one of them. Made once per state folder that is
 * opened, instead of a dozen changes of the step's own layer, to be taken back after it (D084). Not for a step that may unmount: what it
 * removes here would be marked as removed in its layer. Nor where roots are copies.
 */
export function stubUnderlay({ store, isolation }: OpsEnvironment, op: ExecOp): string | undefined {
  if (isolation === "chroot" || op.security === "insecure") return undefined;
  const known = made.get(store);
  if (known !== undefined) return known;
  const folder = store.temporaryFolder();
  mkdirSync(folder, { recursive: true });
  for (const name of FOLDERS) {
    mkdirSync(join(folder, name));
    chmodSync(join(folder, name), 0o755);
  }
  for (const name of FILES) {
    writeFileSync(join(folder, name), "");
    chmodSync(join(folder, name), 0o644);
  }
  made.set(store, folder);
  return folder;
}
