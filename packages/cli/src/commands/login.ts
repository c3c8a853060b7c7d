import { TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { type CommandIo, inputBytes } from "../io.ts";

const MAX_PASSWORD_BYTES = 64 * 1024;

/** One line of standard input: whatever pipes a password ends it with a newline. */
async function passwordFromInput(io: CommandIo): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of inputBytes(io.stdin, io.signal)) {
    size += chunk.length;
    if (size > MAX_PASSWORD_BYTES)
      throw new TsbuildError("TSB_USAGE", "the password on standard input is too long");
    chunks.push(chunk);
  }
  const password = Buffer.concat(chunks)
    .toString("utf8")
    .replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new TsbuildError("TSB_USAGE", "standard input holds no password");
}

function hostOperand(flags: ParsedFlags): string {
  const [host = "docker.io", ...surplus] = flags.operands;
  if (surplus.length === 0) return host;
  throw new TsbuildError(
    "TSB_USAGE",
    `one registry at a time: ${JSON.stringify(surplus[0])} is one too many`,
  );
}

/** `tsbuild login HOST -u USER --password-stdin`: keeps the password once the registry has taken it. */
export async function login(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const host = hostOperand(flags);
  const username = flags.last("username");
  // A password among the arguments stays in the shell's history and in everybody's process list.
  if (username === undefined || !flags.isOn("password-stdin") || io.stdin.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "login needs a user's name, and the password on standard input", {
      hint: `tsbuild login -u USER --password-stdin ${host} < FILE`,
    });
  }
  const password = await passwordFromInput(io);
  const engine = await import("@tsbuild/engine/login");
  const insecureRegistries = flags.all("insecure-registry");
  const { env, signal } = io;
  const stored = await engine.login({ host, username, password, env, insecureRegistries, signal });
  const where = stored.encrypted ? `kept by ${stored.place}` : `kept in ${stored.place}, readable by you`;
  io.stdout.write(`logged in to ${engine.loginHost(host)} as ${username}; ${where}\n`);
  return 0;
}

/** `tsbuild logout HOST`. */
export async function logout(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const host = hostOperand(flags);
  const engine = await import("@tsbuild/engine/login");
  const known = await engine.logout(host, io.env);
  io.stdout.write(
    known ? `logged out of ${engine.loginHost(host)}\n` : `not logged in to ${engine.loginHost(host)}\n`,
  );
  return 0;
}
