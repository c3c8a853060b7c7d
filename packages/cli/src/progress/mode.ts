import { oneOf } from "../flags/values.ts";
import type { Environment, OutputStream } from "../io.ts";

const MODES = ["auto", "tty", "plain", "quiet", "rawjson", "none"] as const;
/** How progress is shown, once `auto` is decided. */
export type ProgressMode = Exclude<(typeof MODES)[number], "auto">;

/** A frame needs so much room; below it, plain text serves better (C040). */
const MIN_COLUMNS = 30;
const MIN_ROWS = 6;

/** C011, C012, C048: `--quiet`, else `--progress`, else $BUILDKIT_PROGRESS, else auto. Throws TSB_USAGE. */
export function progressMode(
  flags: { readonly quiet: boolean; readonly progress: string | undefined },
  stderr: OutputStream,
  env: Environment,
): ProgressMode {
  if (flags.quiet) return "quiet";
  const fromEnv = env["BUILDKIT_PROGRESS"] || undefined;
  const wanted =
    flags.progress === undefined
      ? oneOf("BUILDKIT_PROGRESS", fromEnv ?? "auto", MODES)
      : oneOf("--progress", flags.progress, MODES);
  if (wanted !== "auto" && wanted !== "tty") return wanted;
  return hasRoom(stderr, env) ? "tty" : "plain";
}

function hasRoom(stderr: OutputStream, env: Environment): boolean {
  if (stderr.isTTY !== true || env["TERM"] === "dumb") return false;
  // A terminal that does not tell its size says 0.
  const { columns = 0, rows = 0 } = stderr;
  return (columns === 0 || columns >= MIN_COLUMNS) && (rows === 0 || rows >= MIN_ROWS);
}

/** C049 (https://no-color.org): set and not empty turns colours off. */
export function hasColors(stream: OutputStream, env: Environment): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb" && !env["NO_COLOR"];
}
