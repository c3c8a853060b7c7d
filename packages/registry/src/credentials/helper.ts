import { spawn } from "node:child_process";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { Credential } from "./types.ts";

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 256 * 1024;

/** What helpers of docker-credential-helpers print, with exit status 1, when they have nothing. */
const NOT_FOUND = /credentials not found in native keychain/i;

interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A name from a file becomes part of a program's name: it must not lead elsewhere. */
function programOf(helper: string): string {
  if (/^[\w.-]+$/.test(helper)) return `docker-credential-${helper}`;
  throw new TsbuildError("TSB_AUTH", `${JSON.stringify(helper)} is not the name of a credential helper`);
}

type Action = "get" | "store" | "erase";
type Env = Readonly<Record<string, string | undefined>>;

function run(
  helper: string,
  action: Action,
  options: { readonly input: string; readonly env: Env },
): Promise<Output> {
  const program = programOf(helper);
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], { env: { ...options.env }, timeout: TIMEOUT_MS });
    const outputs = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk: Buffer) => {
        if (outputs[name].length < MAX_OUTPUT_BYTES) outputs[name] += chunk.toString("utf8");
      });
    }
    child.on("error", (cause) => {
      const why = errnoCode(cause) === "ENOENT" ? "is not installed" : String(cause);
      reject(new TsbuildError("TSB_AUTH", `the credential helper ${program} ${why}`, { cause }));
    });
    child.on("close", (code) => resolve({ code, ...outputs }));
    // It may end without having read.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input);
  });
}

function failed(helper: string, action: Action, { code, stdout, stderr }: Output): TsbuildError {
  // `get` prints secrets to standard output, but when it fails only its message.
  const said = (stderr.trim() || stdout.trim()).split("\n")[0] ?? "";
  return new TsbuildError(
    "TSB_AUTH",
    `docker-credential-${helper} ${action} failed (${code ?? "killed"}): ${said}`,
  );
}

/** Asks a helper for a server's credentials. Undefined when it has none; throws TSB_AUTH when it cannot say. */
export async function helperGet(helper: string, server: string, env: Env): Promise<Credential | undefined> {
  const output = await run(helper, "get", { input: server, env });
  if (NOT_FOUND.test(output.stdout) || NOT_FOUND.test(output.stderr)) return undefined;
  if (output.code !== 0) throw failed(helper, "get", output);
  let value: { readonly Username?: unknown; readonly Secret?: unknown };
  try {
    value = JSON.parse(output.stdout) as typeof value;
  } catch {
    throw new TsbuildError("TSB_AUTH", `docker-credential-${helper} get printed no JSON`);
  }
  const { Username: username, Secret: secret } = value;
  if (typeof username !== "string" || typeof secret !== "string" || secret === "") return undefined;
  return username === "<token>"
    ? { type: "identity", token: secret }
    : { type: "password", username, password: secret };
}

export async function helperStore(
  helper: string,
  entry: { readonly server: string; readonly username: string; readonly secret: string },
  env: Env,
): Promise<void> {
  const input = JSON.stringify({ ServerURL: entry.server, Username: entry.username, Secret: entry.secret });
  const output = await run(helper, "store", { input, env });
  if (output.code !== 0) throw failed(helper, "store", output);
}

/** True when there was something to erase. */
export async function helperErase(helper: string, server: string, env: Env): Promise<boolean> {
  const output = await run(helper, "erase", { input: server, env });
  if (NOT_FOUND.test(output.stdout) || NOT_FOUND.test(output.stderr)) return false;
  if (output.code !== 0) throw failed(helper, "erase", output);
  return true;
}
