import type { LineRange } from "@tsbuild/base";
import { readDockerfile } from "@tsbuild/dockerfile";

/** A stage as `--call=targets` lists it (D163). */
export interface Target {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** The one that is built when none is named. */
  readonly isDefault: boolean;
  /** As written, like the platform. */
  readonly base: string;
  readonly platform?: string | undefined;
  readonly range: LineRange;
}

/** Lists the stages of a file. Throws TSB_DOCKERFILE. */
export function listTargets(source: { readonly file: string; readonly text: string }): Target[] {
  const { stages } = readDockerfile(source.text, { file: source.file }).program;
  return stages.map(({ from }, index) => ({
    ...(from.stageName === undefined ? {} : { name: from.stageName }),
    ...(from.doc === undefined ? {} : { description: from.doc }),
    isDefault: index === stages.length - 1,
    base: from.base,
    ...(from.platform === undefined ? {} : { platform: from.platform }),
    range: from.range,
  }));
}
