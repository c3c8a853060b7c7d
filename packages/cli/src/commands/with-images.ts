import { TsbuildError } from "@tsbuild/base";
import type { LocalImages } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { engineOptions } from "./engine-options.ts";

/** What a command on images works with. */
export interface Asked {
  readonly images: LocalImages;
  readonly flags: ParsedFlags;
  readonly io: CommandIo;
  readonly operands: readonly string[];
}

export type Action = (asked: Asked) => void | Promise<void>;

/** Opens an engine, has a command done on its images, and closes it. */
export async function withImages(
  flags: ParsedFlags,
  io: CommandIo,
  operands: readonly string[],
  action: Action,
): Promise<number> {
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    await action({ images: await engine.localImages(), flags, io, operands });
    return 0;
  } finally {
    await engine.close();
  }
}

export function need(operands: readonly string[], least: number, hint: string): void {
  if (operands.length >= least) return;
  throw new TsbuildError("TSB_USAGE", "an image is not named", { hint });
}

/** Throws TSB_USAGE unless it is exactly one. */
export function onlyOne(operands: readonly string[], hint: string): string {
  need(operands, 1, hint);
  const [operand = "", ...more] = operands;
  if (more.length === 0) return operand;
  throw new TsbuildError("TSB_USAGE", `surplus arguments: ${more.join(" ")}`);
}
