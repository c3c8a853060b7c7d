import { statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { Engine, Inspection } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { buildRequest } from "./build-request.ts";

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    // What is wrong with the path, the request tells.
    return false;
  }
}

/** `[PATH]` as a build has it: nothing is the working folder, a file is the Dockerfile of its folder. */
function withContext(flags: ParsedFlags): ParsedFlags {
  const [operand = ".", ...surplus] = flags.operands;
  if (surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", `one PATH at a time, surplus: ${surplus.join(" ")}`);
  }
  const isDockerfile = operand !== "-" && flags.last("file") === undefined && isFile(operand);
  return {
    operands: [isDockerfile ? dirname(operand) : operand],
    all: (name) => flags.all(name),
    last: (name) => (name === "file" && isDockerfile ? operand : flags.last(name)),
    isOn: (name) => flags.isOn(name),
  };
}

/** Opens an engine, asks it about the Dockerfile of a command line, and closes it. */
export async function withInspection<T>(
  flags: ParsedFlags,
  io: CommandIo,
  use: (inspect: () => Promise<Inspection>, engine: Engine) => Promise<T>,
): Promise<T> {
  const request = await buildRequest(withContext(flags), io);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    return await use(() => engine.inspect(request, { signal: io.signal }), engine);
  } finally {
    await engine.close();
  }
}
