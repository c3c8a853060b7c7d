/** What became of a step that an OCI runtime did not start, or whose command the kernel did not execute. */
import { readFileSync } from "node:fs";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { LIMIT_HINT, UNKNOWN_ID } from "./outcome.ts";
import type { ExecIo } from "./spec.ts";

/** Messages of level error in the runtime's JSON log; none when the command itself ran. */
export function runtimeErrors(log: string): string[] {
  let text: string;
  try {
    text = readFileSync(log, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return [];
    throw error;
  }
  return text.split("\n").flatMap((line) => {
    if (line === "") return [];
    const { level, msg } = JSON.parse(line) as { readonly level?: string; readonly msg?: string };
    return level === "error" && msg !== undefined ? [msg] : [];
  });
}

/** Exit status of a shell for a program that cannot be executed; undefined: the runtime failed in another way. */
export function statusOfFailure(message: string): number | undefined {
  if (!/\bexec\b/.test(message)) return undefined;
  if (/not found|no such file or directory/i.test(message)) return 127;
  return /permission denied|exec format error/i.test(message) ? 126 : undefined;
}

/** What the native sandbox is told by calls and error numbers, of what runtimes write in words. */
function hintFor(message: string): string | undefined {
  if (/hybrid|cgroup/i.test(message))
    return "this runtime cannot use the machine's control groups (crun refuses hybrid ones): use --oci-runtime=runc, or none";
  if (/set(?:up user|res[ug]id|groups)\b.*: invalid argument/i.test(message)) return UNKNOWN_ID;
  if (/rlimit.*: operation not permitted/i.test(message)) return LIMIT_HINT;
  return undefined;
}

export function failureOfRuntime(runtime: string, errors: readonly string[], code: number): TsbuildError {
  const message = errors.at(-1) ?? `it ended with ${code}`;
  return new TsbuildError("TSB_SANDBOX", `${runtime}: ${message}`, {
    hint: hintFor(message),
  });
}

/** Longer than the name of a program that fits a path (4095 bytes), with the words around it. */
const INIT_BYTES = 4200;

/**
 * Passes a step's output on and remembers it while it is so little that it may be the runtime's own: a program that is there and that the
 * kernel does not execute (a script without its interpreter, one of another machine) is seen by the runtime's init in the container only,
 * which says so on the step's standard error and ends with 1 (runc up to 1.1) or 255, and nothing is in the runtime's log.
 */
export class OnlyWords {
  readonly io: ExecIo;
  #text: string | undefined = "";

  constructor(io: ExecIo) {
    const stdout = (chunk: Uint8Array): void => {
      this.#text = undefined;
      io.stdout(chunk);
    };
    const stderr = (chunk: Uint8Array): void => {
      this.#remember(chunk);
      io.stderr(chunk);
    };
    this.io = { ...io, stdout, stderr };
  }

  #remember(chunk: Uint8Array): void {
    if (this.#text === undefined) return;
    const text = chunk.length > INIT_BYTES ? undefined : this.#text + Buffer.from(chunk).toString("latin1");
    this.#text = text === undefined || text.length > INIT_BYTES ? undefined : text;
  }

  /** The exit status as a shell has it: 126 or 127 when all that was said are the init's words for it, else the given one. */
  statusOfInit(code: number): number {
    const isInit = (code === 1 || code === 255) && /^exec [^\n]+: [^\n]+\n?$/.test(this.#text ?? "");
    return (isInit ? statusOfFailure(this.#text ?? "") : undefined) ?? code;
  }
}
