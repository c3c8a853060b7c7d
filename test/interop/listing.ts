import { runOk } from "../e2e/world.ts";

/** Path, type, mode, owner, number of links, size, link target and time of all below a folder, sorted. */
export async function listing(folder: string, time: "%T@" | "%Ts" = "%T@"): Promise<string[]> {
  // A folder's size is the file system's business.
  const line = `%P\\t%y %m %U:%G ${time} %l`;
  const format = ["(", "-type", "d", "-printf", `${line}\\n`, ")", "-o", "-printf", `${line} %n %s\\n`];
  const { stdout } = await runOk("find", [folder, "-mindepth", "1", ...format]);
  return stdout.split("\n").sort();
}
