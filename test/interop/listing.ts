import { runOk } from "../e2e/world.ts";

/** Path, type, mode, owner, link target, time, and for files number of links and size, of all below a folder, sorted. */
export async function listing(
  folder: string,
  time: "nanoseconds" | "seconds" | "no time" = "nanoseconds",
): Promise<string[]> {
  const when = { nanoseconds: " %T@", seconds: " %Ts", "no time": "" }[time];
  // A folder's size is the file system's business.
  const line = `%P\\t%y %m %U:%G %l${when}`;
  const format = ["(", "-type", "d", "-printf", `${line}\\n`, ")", "-o", "-printf", `${line} %n %s\\n`];
  const { stdout } = await runOk("find", [folder, "-mindepth", "1", ...format]);
  return stdout.split("\n").sort();
}
