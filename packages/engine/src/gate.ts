import { accessSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";

/** One condition of the kernel or the system. */
export interface Gate {
  readonly name: string;
  readonly holds: boolean;
  /** Steps cannot run without it. */
  readonly required: boolean;
  /** What was seen, in one line. */
  readonly found: string;
  /** What happens without it. */
  readonly fallback: string;
  /** What to type; "" when nothing needs doing or nothing can be. */
  readonly fix: string;
}

export function gate(parts: Omit<Gate, "required"> & { readonly required?: boolean }): Gate {
  return { required: false, ...parts, fix: parts.holds ? "" : parts.fix };
}

export function mayUse(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}
