import type { BuildHistory, BuildRecord, StepRecord } from "@tsbuild/engine";
import type { CommandIo } from "../io.ts";
import { safeLine, safeName } from "../sanitize.ts";

interface LogStyle {
  /** Each line begins with its time. */
  readonly timestamps: boolean;
  /** The bytes as they were printed; else line by line, without what would steer a terminal. */
  readonly raw: boolean;
}

/**
 * Writes what steps printed, both streams in the order in which they came; waits for a slow reader, so that a log larger than
 * memory can be piped. Of several steps each has its name above, and a line break at its end.
 */
export async function writeLogs(
  { stdout, signal }: Pick<CommandIo, "stdout" | "signal">,
  { history, build, steps }: { history: BuildHistory; build: BuildRecord; steps: readonly StepRecord[] },
  timestamps: boolean,
): Promise<void> {
  const style = { timestamps, raw: !timestamps && stdout.isTTY !== true };
  const titled = steps.length > 1;
  const write = async (piece: string | Uint8Array): Promise<void> => {
    // Aborted, too, when whoever read it has gone.
    signal.throwIfAborted();
    await new Promise<void>((resolve) => stdout.write(piece, () => resolve()));
  };
  for (const step of steps) {
    if (titled) await write(`#${step.number} ${safeName(step.name)}\n`);
    let open = false;
    for (const piece of pieces(history, { build, step }, style)) {
      await write(piece);
      open = typeof piece === "string" ? !piece.endsWith("\n") : piece.at(-1) !== 0x0a;
    }
    if (open && (titled || !style.raw)) await write("\n");
  }
}

function* pieces(
  history: BuildHistory,
  { build, step }: { readonly build: BuildRecord; readonly step: StepRecord },
  { timestamps, raw }: LogStyle,
): Generator<string | Uint8Array> {
  let open = false;
  for (const { at, data } of history.log(build, step)) {
    if (raw) {
      yield data;
      continue;
    }
    // Kept line by line: a character that the border of two pieces cuts shows as two signs, which is all that is lost.
    for (const line of Buffer.from(data)
      .toString("utf8")
      .split(/(?<=\n)/)) {
      const stamp = timestamps && !open ? `${new Date(at).toISOString()} ` : "";
      const ends = line.endsWith("\n");
      yield `${stamp}${safeLine(line.replace(/\r?\n$/, ""))}${ends ? "\n" : ""}`;
      open = !ends;
    }
  }
}
