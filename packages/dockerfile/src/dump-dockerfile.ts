import { TsbuildError } from "@tsbuild/base";
import { dumpAst, dumpError, type JsonObject } from "./dump.ts";
import { dumpProgram } from "./dump-instruction.ts";
import { parse } from "./parse.ts";
import { parseInstructions } from "./parse-instructions.ts";

/** All that a Dockerfile says as plain data, errors included: what `tsbuild debug dump-ast` prints. */
export function dumpDockerfile(data: string | Uint8Array, options: { readonly file: string }): JsonObject {
  const parsed = attempt(() => parse(data, options));
  if (parsed instanceof TsbuildError) return { parseError: dumpError(parsed) };
  const program = attempt(() => parseInstructions(parsed));
  if (program instanceof TsbuildError) return { ...dumpAst(parsed), instructionsError: dumpError(program) };
  return { ...dumpAst(parsed), ...dumpProgram(program) };
}

function attempt<T>(run: () => T): T | TsbuildError {
  try {
    return run();
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
}
