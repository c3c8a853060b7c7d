import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoCode, limits, TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { type CommandIo, inputBytes } from "../io.ts";

type Format = typeof import("@tsbuild/engine/format")["format"];

/** What is to be done with the text of a file. */
interface Mode {
  readonly check: boolean;
  readonly stdout: boolean;
}

/**
 * `tsbuild fmt [FILE…]`: formats in place, prints the names of files that it changed. Files that cannot be formatted do
 * not keep others from it; their errors come together at the end.
 */
export async function fmt(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const mode = { check: flags.isOn("check"), stdout: flags.isOn("stdout") };
  const files = flags.operands.length === 0 ? ["Dockerfile"] : flags.operands;
  refuseMixes(mode, files);
  const { format } = await import("@tsbuild/engine/format");
  const errors: TsbuildError[] = [];
  let changed = 0;
  for (const file of files) {
    try {
      if (await formatFile(file, mode, format, io)) changed++;
    } catch (error) {
      if (!(error instanceof TsbuildError)) throw error;
      errors.push(error);
    }
  }
  const [first, ...others] = errors;
  if (first !== undefined) throw first.with({ related: others });
  return mode.check && changed > 0 ? 1 : 0;
}

function refuseMixes(mode: Mode, files: readonly string[]): void {
  if (mode.check && mode.stdout)
    throw new TsbuildError("TSB_USAGE", "--check and --stdout exclude each other");
  if ((mode.stdout || files.includes("-")) && files.length > 1) {
    throw new TsbuildError("TSB_USAGE", "only one file can be written to standard output");
  }
}

/** Whether the file was not formatted. */
async function formatFile(file: string, mode: Mode, format: Format, io: CommandIo): Promise<boolean> {
  const data = file === "-" ? await readInput(io) : await readDockerfile(file);
  const text = format(data, { file: file === "-" ? "Dockerfile" : file });
  const isChanged = Buffer.compare(data, Buffer.from(text)) !== 0;
  if (mode.check) {
    if (isChanged) io.stdout.write(`${file}\n`);
  } else if (mode.stdout || file === "-") io.stdout.write(text);
  else if (isChanged) {
    await replaceFile(file, text);
    io.stdout.write(`${file}\n`);
  }
  return isChanged;
}

async function readInput(io: CommandIo): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of inputBytes(io.stdin, io.signal)) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    // The parser refuses it; there is no use in reading on.
    if (sizeBytes > limits.dockerfileBytes) break;
  }
  return Buffer.concat(chunks);
}

async function readDockerfile(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "there is no such file",
      EISDIR: "it is a folder",
    };
    const reason = reasons[errnoCode(cause) ?? ""] ?? (cause as Error).message;
    const hint = "tsbuild fmt FILE…";
    throw new TsbuildError("TSB_USAGE", `cannot read ${JSON.stringify(file)}: ${reason}`, { hint, cause });
  }
}

/** In one step, with the old permissions; a symbolic link stays one. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const path = await realpath(file);
  const fresh = join(dirname(path), `.tsbuild-fmt-${process.pid}`);
  try {
    const { mode } = await stat(path);
    await writeFile(fresh, text, { flag: "wx" });
    await chmod(fresh, mode & 0o7777);
    await rename(fresh, path);
  } catch (cause) {
    await rm(fresh, { force: true });
    throw new TsbuildError(
      "TSB_EXPORT",
      `cannot write ${JSON.stringify(file)}: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
