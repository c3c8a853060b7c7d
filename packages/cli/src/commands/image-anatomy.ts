import { TsbuildError } from "@tsbuild/base";
import { anatomyText, differenceText } from "../image/anatomy-text.ts";
import { type Asked, onlyOne } from "./with-images.ts";

const HINT = "tsbuild inspect --layers IMAGE";

/** `tsbuild inspect --layers IMAGE` and `--diff OTHER IMAGE`: as text, or as JSON with `--format json`. */
export async function inspectLayers({ images, flags, io, operands }: Asked): Promise<void> {
  const image = onlyOne(operands, HINT);
  const format = flags.last("format") ?? "text";
  if (format !== "text" && format !== "json") {
    throw new TsbuildError("TSB_USAGE", `--layers and --diff take no template: --format ${format}`, {
      hint: "--format json, or none for text",
    });
  }
  const other = flags.last("diff");
  const { signal } = io;
  const whole = flags.isOn("no-trunc");
  if (flags.isOn("layers")) {
    const anatomy = await images.anatomy(image, { signal });
    io.stdout.write(format === "json" ? jsonText(anatomy) : anatomyText(anatomy, { whole }));
  }
  if (other === undefined) return;
  const difference = await images.difference(image, other, { signal });
  io.stdout.write(format === "json" ? jsonText(difference) : differenceText(difference));
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
