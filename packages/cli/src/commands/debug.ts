import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { keyAndValue, oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";

/**
 * `tsbuild debug dump-ast|dump-llb FILE`: JSON to standard output; a refused file is data, too, and no failure. `debug plan [PATH]`:
 * see debug-plan.ts. `debug apparmor`: the text of the default profile.
 */
export async function debug(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [what, file, ...surplus] = flags.operands;
  if (what === "plan") {
    const { debugPlan } = await import("./debug-plan.ts");
    return debugPlan(flags, io);
  }
  if (what === "apparmor" && file === undefined) {
    io.stdout.write((await import("@tsbuild/engine/debug")).defaultProfileText);
    return 0;
  }
  if (what === undefined || file === undefined || surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", "debug needs a dump and a Dockerfile", {
      hint: "tsbuild debug dump-ast --json Dockerfile",
    });
  }
  const kind = oneOf("debug", what, ["dump-ast", "dump-llb", "plan", "apparmor"]);
  const dump = kind === "dump-ast" ? await dumpAst(file) : await dumpLlb(file, flags);
  io.stdout.write(`${JSON.stringify(dump, undefined, 2)}\n`);
  return 0;
}

async function read(file: string): Promise<Buffer> {
  const found = await readOptional(file);
  if (found === undefined) throw new TsbuildError("TSB_USAGE", `there is no file ${JSON.stringify(file)}`);
  return found;
}

async function readOptional(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (cause) {
    if (errnoCode(cause) === "ENOENT") return undefined;
    throw new TsbuildError("TSB_USAGE", `cannot read ${JSON.stringify(file)}`, { cause });
  }
}

async function dumpAst(file: string): Promise<unknown> {
  const [data, { dumpDockerfile }] = await Promise.all([read(file), import("@tsbuild/engine/debug")]);
  return dumpDockerfile(data, { file });
}

/** One object; a list of them when the options name several platforms. */
async function dumpLlb(file: string, flags: ParsedFlags): Promise<unknown> {
  const { CannedImages, dumpBuild, requestOfOptions } = await import("@tsbuild/engine/debug");
  const options = Object.fromEntries(
    flags.all("opt").map((text) => {
      const [key, value = ""] = keyAndValue("--opt", text);
      return [key, value];
    }),
  );
  const source = { file, text: (await read(file)).toString("utf8"), ignore: await ignoreFile(file, flags) };
  const images = new CannedImages(await cannedImages(flags.last("images")));
  const dumps = await dumpBuild(() => requestOfOptions(source, options), images);
  return dumps.length === 1 ? dumps[0] : dumps;
}

type Images = ConstructorParameters<typeof import("@tsbuild/engine/debug")["CannedImages"]>[0];

async function cannedImages(file: string | undefined): Promise<Images> {
  if (file === undefined) return {};
  try {
    return JSON.parse((await read(file)).toString("utf8")) as Images;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new TsbuildError("TSB_USAGE", `${file} is not JSON: ${cause.message}`, { cause });
  }
}

async function ignoreFile(
  file: string,
  flags: ParsedFlags,
): Promise<{ file: string; text: string } | undefined> {
  const given = flags.last("ignore");
  const candidates =
    given === undefined ? [`${file}.dockerignore`, join(dirname(file), ".dockerignore")] : [given];
  for (const path of candidates) {
    const data = given === undefined ? await readOptional(path) : await read(path);
    if (data !== undefined) return { file: path, text: data.toString("utf8") };
  }
  return undefined;
}
