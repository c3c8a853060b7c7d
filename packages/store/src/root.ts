import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { TsbuildError } from "@tsbuild/base";

/**
 * The state folder when no --root is given: `$TSBUILD_ROOT`, else `/var/lib/tsbuild` for root, else `$XDG_DATA_HOME/tsbuild`,
 * else `~/.local/share/tsbuild`. A relative `$XDG_DATA_HOME` counts as unset (XDG base directory specification).
 */
export function defaultRoot(env: Readonly<Record<string, string | undefined>>, uid: number): string {
  const explicit = env["TSBUILD_ROOT"];
  if (explicit) return explicit;
  if (uid === 0) return "/var/lib/tsbuild";
  const data = env["XDG_DATA_HOME"];
  if (data && isAbsolute(data)) return join(data, "tsbuild");
  const home = env["HOME"] || homedir();
  if (!isAbsolute(home)) {
    throw new TsbuildError("TSB_USAGE", "no home folder to keep the build cache in", {
      hint: "give a folder with --root, or set TSBUILD_ROOT or HOME",
    });
  }
  return join(home, ".local", "share", "tsbuild");
}
