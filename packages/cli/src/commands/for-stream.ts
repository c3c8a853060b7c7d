import type { CommandIo } from "../io.ts";
import { safeText } from "../sanitize.ts";

/** A program gets what an image says; a terminal must not obey it. */
export function forStream(io: CommandIo, text: string): string {
  return io.stdout.isTTY === true ? safeText(text) : text;
}
