import { fstatSync, writeSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";
import type { OutputStream } from "./io.ts";

/** Device of /dev/null: major 1, minor 3. */
const NULL_DEVICE = 0x103;

/** Writes some bytes to standard error, and tells how many. Throws EAGAIN when a reader who does not want to be waited for has too much unread. */
export type WriteSome = (bytes: Uint8Array, from: number) => number;

/**
 * Standard error, as `stream` is it, where all that is needed is to write to it: then Node's stream, which takes 4 ms to load (7 ms for a pipe), is not made.
 * Node's own waits for files and pipes, too. What cannot be written is lost without a word: progress that nobody reads any more, or
 * that a full disk does not take, is no reason to stop a build.
 */
export function standardError(
  stream: () => OutputStream,
  {
    writeSome = toDescriptor,
    isPlain = isWrittenAtOnce,
  }: { writeSome?: WriteSome; isPlain?: () => boolean } = {},
): OutputStream {
  let own: OutputStream | undefined;
  const made = (): OutputStream => {
    own ??= stream();
    return own;
  };
  if (!isPlain()) return made();
  let isLost = false;
  const write = (chunk: string | Uint8Array, ...others: []): boolean => {
    // Once it is made, all goes through it: nothing may overtake what it has still to write.
    if (own !== undefined || others.length > 0) return made().write(chunk, ...others);
    if (isLost) return true;
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSome(bytes, at);
      } catch (error) {
        if (errnoCode(error) === "EAGAIN") return made().write(bytes.subarray(at));
        isLost = true;
        return true;
      }
    }
    return true;
  };
  return new Proxy({} as OutputStream, {
    get: (_, name) => {
      if (name === "write") return write;
      if (name === "isTTY") return undefined;
      const value: unknown = Reflect.get(made(), name);
      return typeof value === "function" ? value.bind(made()) : value;
    },
  });
}

function toDescriptor(bytes: Uint8Array, from: number): number {
  return writeSync(2, bytes, from);
}

/** A file, a pipe or /dev/null: no terminal, which has a size and colors. */
function isWrittenAtOnce(): boolean {
  const stat = fstatSync(2);
  return stat.isFile() || stat.isFIFO() || stat.isSocket() || stat.rdev === NULL_DEVICE;
}
