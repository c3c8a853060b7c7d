import { formatPlatform, type Platform, TsbuildError } from "@tsbuild/base";
import {
  type DockerfileProgram,
  type ExpandedWord,
  expandWord,
  type FromInstruction,
  nearest,
  type WordOptions,
} from "@tsbuild/dockerfile";
import { type ImageConfig, parseReference } from "@tsbuild/oci";
import type { Environment } from "../environment.ts";
import { parsePlatform } from "../platform.ts";
import type { Stage } from "../stage.ts";
import type { KnownNames, Linter } from "./linter.ts";

/** `did you mean X?` behind a message. */
export function meant(name: string, known: Iterable<string>): string {
  const near = nearest(name, known);
  return near === undefined || near === name ? "" : ` (did you mean $${near}?)`;
}

export interface FromNames {
  /** Variables that a FROM may use, with and without a value. */
  readonly declared: ReadonlySet<string>;
}

/** FROM uses a variable that no ARG before the first FROM declares. */
export function checkFromArgs(
  from: FromInstruction,
  unmatched: ReadonlySet<string>,
  { declared }: FromNames,
  linter: Linter,
): void {
  for (const name of unmatched) {
    if (declared.has(name)) continue;
    const message = (known: KnownNames) =>
      `FROM uses $${name}, which no ARG before it declares${meant(name, known(declared))}`;
    linter.reportNear("UndefinedArgInFrom", message, from.range);
  }
}

/** `--platform` that says what holds anyway, or ties the file to one platform (D066). */
export function checkFromPlatform(
  from: FromInstruction,
  { text, matched, unmatched }: ExpandedWord,
  env: Environment,
  linter: Linter,
): void {
  if (matched.size === 1 && unmatched.size === 0 && matched.has("TARGETPLATFORM")) {
    if (text === env.get("TARGETPLATFORM"))
      linter.report(
        "RedundantTargetPlatform",
        `--platform=${from.platform} is what FROM does anyway`,
        from.range,
      );
  }
  if (matched.size > 0 || unmatched.size > 0 || text === "") return;
  const { os, architecture } = parsePlatform(text);
  const named = (from.stageName ?? "").includes(os) || (from.stageName ?? "").includes(architecture);
  if (!named)
    linter.report(
      "FromPlatformFlagConstDisallowed",
      `--platform=${text} ties the stage to one platform; use a variable, or leave it to the build`,
      from.range,
    );
}

function isReference(name: string): boolean {
  try {
    parseReference(name);
    return true;
  } catch (error) {
    if (error instanceof TsbuildError) return false;
    throw error;
  }
}

/** The names of all FROMs when no build argument is given; undefined when they cannot even be expanded. */
function defaultNames(
  { metaArgs, stages }: DockerfileProgram,
  predefined: Environment,
  words: WordOptions,
): string[] | undefined {
  const env = predefined.clone();
  try {
    for (const { key, value } of metaArgs.flatMap((instruction) => instruction.args))
      if (value !== undefined) env.set(key, expandWord(value, env, words).text);
    return stages.map(({ from }) => expandWord(from.base, env, words).text);
  } catch (error) {
    // The build proper fails on the same word, or a build argument keeps it from doing so.
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

/** FROMs that name no image unless build arguments are given. */
export function checkDefaultArgs(
  program: DockerfileProgram,
  predefined: Environment,
  words: WordOptions,
  linter: Linter,
): void {
  const names = defaultNames(program, predefined, words) ?? [];
  for (const [index, name] of names.entries()) {
    const { from } = program.stages[index]!;
    if (isReference(name)) continue;
    const message = `FROM ${from.base} names no image when its ARGs keep their defaults`;
    linter.report("InvalidDefaultArgInFrom", message, from.range);
  }
}

/** The registry gave an image of another platform. */
export function checkBasePlatform(
  stage: Stage,
  image: ImageConfig,
  platform: Platform,
  linter: Linter,
): void {
  if (image.os === platform.os && image.architecture === platform.architecture) return;
  const actual = formatPlatform({ os: image.os, architecture: image.architecture, variant: image.variant });
  const message = `${stage.baseName} is an image for ${actual}, not for ${formatPlatform(platform)}`;
  linter.report("InvalidBaseImagePlatform", message, stage.range);
}
