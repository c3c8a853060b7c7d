import { formatPlatform, type LineRange } from "@tsbuild/base";
import { type ArgDeclaration, type ArgInstruction, expandWord, type WordOptions } from "@tsbuild/dockerfile";
import type { PlatformChoice } from "./context.ts";
import { Environment } from "./environment.ts";
import { at, type SourceText } from "./failure.ts";
import { formatFullPlatform } from "./platform.ts";

/** The variables that exist in FROM lines without a declaration (D054, D055); `--build-arg` overrides them. */
export function predefinedArgs(
  { target, build }: PlatformChoice,
  targetStage: string,
  buildArgs: ReadonlyMap<string, string>,
): Environment {
  const values: Readonly<Record<string, string | undefined>> = {
    BUILDPLATFORM: formatPlatform(build),
    BUILDOS: build.os,
    BUILDOSVERSION: build.osVersion,
    BUILDARCH: build.architecture,
    BUILDVARIANT: build.variant,
    TARGETPLATFORM: formatFullPlatform(target),
    TARGETOS: target.os,
    TARGETOSVERSION: target.osVersion,
    TARGETARCH: target.architecture,
    TARGETVARIANT: target.variant,
    TARGETSTAGE: targetStage === "" ? "default" : targetStage,
  };
  return new Environment(
    Object.entries(values).map(([name, value]) => [name, buildArgs.get(name) ?? value ?? ""]),
  );
}

interface MetaArgs {
  readonly instructions: readonly ArgInstruction[];
  readonly predefined: Environment;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly wordOptions: WordOptions;
  readonly source: SourceText;
  /** Told of each declaration with the value that it got and the variables of its default. */
  readonly onArg?: (arg: GlobalArg) => void;
}

export interface GlobalArg {
  readonly declaration: ArgDeclaration;
  readonly range: LineRange;
  readonly value: string | undefined;
  readonly uses: ReadonlySet<string>;
}

const NOTHING: ReadonlySet<string> = new Set();

/**
 * The ARGs before the first FROM, one after the other, each seeing those before it (D044, D047). A default that a
 * build argument overrides is not even expanded, so it may be wrong.
 */
export function globalArgs({
  instructions,
  predefined,
  buildArgs,
  wordOptions,
  source,
  onArg,
}: MetaArgs): Environment {
  const env = predefined.clone();
  for (const { args, range } of instructions) {
    for (const declaration of args) {
      const { key, value } = declaration;
      const given = buildArgs.get(key);
      const expanded =
        given !== undefined || value === undefined
          ? undefined
          : at(source, range, () => expandWord(value, env, wordOptions));
      const chosen = given ?? expanded?.text;
      if (chosen !== undefined) env.set(key, chosen);
      onArg?.({ declaration, range, value: chosen, uses: expanded?.matched ?? NOTHING });
    }
  }
  return env;
}
