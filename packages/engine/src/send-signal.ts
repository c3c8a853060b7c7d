import { constants } from "node:os";
import type { OnStart } from "./api.ts";

/** The sandbox knows signals by number, as the kernel does. */
export function sendingNumbers(
  onStart: OnStart | undefined,
): ((send: (signal: number) => void) => void) | undefined {
  return onStart && ((send) => onStart((name) => send(constants.signals[name])));
}
