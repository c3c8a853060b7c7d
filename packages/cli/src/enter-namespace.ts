import { nativePath } from "@tsbuild/engine/native-path";

/**
 * A normal user's program becomes root of a user namespace (see native/userns). bin/tsbuild starts it there at once; a program
 * that was started on Node directly goes there now, by replacing itself: the same process, arguments and descriptors.
 */
export function enterNamespace(): void {
  const { execPath, execArgv, argv, env } = process;
  if (process.getuid?.() === 0 || env["TSBUILD_USERNS"] !== undefined || process.execve === undefined) return;
  const program = nativePath("tsbuild-userns");
  process.execve(program, [program, execPath, ...execArgv, ...argv.slice(1)], env);
}
