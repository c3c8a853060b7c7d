import { type CommandIo, inputBytes } from "../io.ts";

/** Asks on a terminal. Without one there is nobody to ask, and a script that says it means it. */
export async function confirm(question: string, io: CommandIo): Promise<boolean> {
  if (io.stdin.isTTY !== true) return true;
  io.stderr.write(`${question} Go on? [y/N] `);
  for await (const chunk of inputBytes(io.stdin, io.signal)) {
    return /^\s*y(es)?\s*$/i.test(Buffer.from(chunk).toString("utf8"));
  }
  return false;
}
