import type { DockerfileAst, DockerfileProgram, FromInstruction, Instruction } from "@tsbuild/dockerfile";
import type { Linter } from "./linter.ts";

/** Names that mean something else in `--from`. */
const RESERVED = new Set(["context", "scratch"]);

function isLower(word: string): boolean {
  return word === word.toLowerCase();
}

function isUpper(word: string): boolean {
  return word === word.toUpperCase();
}

function instructions({ metaArgs, stages }: DockerfileProgram): Instruction[] {
  return [...metaArgs, ...stages.flatMap(({ from, commands }) => [from, ...commands])];
}

/** `AS` is written like `FROM`; a FROM in mixed case is for another rule. */
function checkFromCasing(from: FromInstruction, linter: Linter): void {
  const [, as, name] = from.node.args;
  if (as === undefined || name === undefined) return;
  if (!isLower(name.text))
    linter.report(
      "StageNameCasing",
      `stage name ${JSON.stringify(name.text)} should be in lower case`,
      from.range,
    );
  const matches = isLower(from.name) ? isLower(as.text) : !isUpper(from.name) || isUpper(as.text);
  if (!matches)
    linter.report(
      "FromAsCasing",
      `${as.text} should be written in the same case as ${from.name}`,
      from.range,
    );
}

/** A comment right above ARG or a named FROM describes it, and then starts with its name (D021). */
function checkDescription(instruction: Instruction, linter: Linter): void {
  const names =
    instruction.kind === "from"
      ? [instruction.stageName ?? []].flat()
      : instruction.kind === "arg"
        ? instruction.args.map(({ key }) => key)
        : [];
  const comment = instruction.comments.at(-1);
  if (comment === undefined || names.length === 0 || names.includes(comment.split(" ")[0] as string)) return;
  const example = names.length > 1 ? "NAME" : names[0];
  linter.report(
    "InvalidDefinitionDescription",
    `the comment above ${instruction.kind.toUpperCase()} should read \`# ${example} <description>\``,
    instruction.range,
  );
}

function checkSingle(instruction: Instruction, linter: Linter): void {
  const inner = linter.within(instruction.comments);
  if (instruction.kind === "from") checkFromCasing(instruction, inner);
  if (instruction.kind === "maintainer")
    inner.report("MaintainerDeprecated", "MAINTAINER is out of use: set a label instead", instruction.range);
  checkDescription(instruction, inner);
}

function checkStageNames({ stages }: DockerfileProgram, linter: Linter): void {
  const seen = new Set<string>();
  for (const { from } of stages) {
    const { stageName: name, range } = from;
    if (name === undefined) continue;
    if (RESERVED.has(name))
      linter.report("ReservedStageName", `the stage name ${JSON.stringify(name)} is reserved`, range);
    if (seen.has(name))
      linter.report("DuplicateStageName", `there are several stages ${JSON.stringify(name)}`, range);
    seen.add(name);
  }
}

function keywords({ stages }: DockerfileProgram): Instruction[] {
  return stages.flatMap(({ from, commands }): Instruction[] => [from, ...commands]);
}

/** Keywords are written as most of them are. ARGs before the first FROM do not count. */
export function wantedCasing(program: DockerfileProgram): "lower" | "upper" {
  const all = keywords(program);
  const lower = all.filter(({ name }) => isLower(name)).length;
  const upper = all.filter(({ name }) => isUpper(name) && !isLower(name)).length;
  return lower > upper ? "lower" : "upper";
}

function checkKeywordCasing(program: DockerfileProgram, linter: Linter): void {
  const wanted = wantedCasing(program);
  for (const { name, range } of keywords(program)) {
    if (wanted === "lower" ? isLower(name) : isUpper(name)) continue;
    linter.report(
      "ConsistentInstructionCasing",
      `${name} should be in ${wanted} case, as most keywords are`,
      range,
    );
  }
}

/** What can be told from the file alone, whichever stage is built. */
export function checkFile(ast: DockerfileAst, program: DockerfileProgram, linter: Linter): void {
  for (const { range } of ast.warnings)
    linter.report("NoEmptyContinuation", "an empty line in a continued instruction", range);
  for (const instruction of instructions(program)) checkSingle(instruction, linter);
  checkStageNames(program, linter);
  checkKeywordCasing(program, linter);
}
