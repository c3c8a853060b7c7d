import { getSystemErrorName } from "node:util";

/** `EPERM` for 1. */
export function errnoName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    /* A number that libuv has no name for is still worth showing. */
    return `errno ${errno}`;
  }
}
