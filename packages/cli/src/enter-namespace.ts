import { CAP_SYS_ADMIN, hasCapability } from "@tsbuild/engine/capabilities";
import { nativePath } from "@tsbuild/engine/native-path";

/**
 * A normal user's program becomes root of a user namespace (see native/userns), and so does root's without CAP_SYS_ADMIN, as in a
 * container. bin/tsbuild starts a user's there at once; any other goes there now, by replacing itself: the same process, arguments
 * and descriptors.
 */
export function enterNamespace(): void {
  const { execPath, execArgv, argv, env } = process;
  if (env["TSBUILD_USERNS"] !== undefined || process.execve === undefined) return;
  if (process.getuid?.() === 0 && hasCapability(CAP_SYS_ADMIN)) return;
  const program = nativePath("tsbuild-userns");
  process.execve(program, [program, execPath, ...execArgv, ...argv.slice(1)], env);
}
