import type { LineRange, Platform } from "@tsbuild/base";
import type { DockerfileProgram, ExpandedWord, FromInstruction, WordOptions } from "@tsbuild/dockerfile";
import type { ImageConfig } from "@tsbuild/oci";
import type { Warning } from "../api.ts";
import type { Compilation } from "../compile-platform.ts";
import type { Environment } from "../environment.ts";
import type { Stage } from "../stage.ts";

/** Collects what is worth a warning in the stages that are built. */
export class Linter {
  readonly #warnings: Warning[] = [];

  constructor(_compilation: Compilation) {}

  report(rule: string, message: string, range: LineRange): void {
    this.#warnings.push({ rule, message, ranges: [range] });
  }

  platformMismatch(_stage: Stage, _image: ImageConfig, _platform: Platform): void {}
  unknownFromArgs(_from: FromInstruction, _unmatched: ReadonlySet<string>): void {}
  fromPlatform(_from: FromInstruction, _expanded: ExpandedWord, _env: Environment): void {}
  defaultArgsInFrom(_program: DockerfileProgram, _predefined: Environment, _words: WordOptions): void {}
  startStages(_program: DockerfileProgram, _args: Environment): void {}

  warnings(): Warning[] {
    return [...this.#warnings];
  }
}
