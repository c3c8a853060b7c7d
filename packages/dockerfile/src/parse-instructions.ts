import { nearest, TsbuildError } from "@tsbuild/base";
import type { AstNode, DockerfileAst } from "./ast.ts";
import { type SourceText, throwTogether } from "./error.ts";
import type { ArgInstruction, Command, DockerfileProgram, Instruction, Stage } from "./instruction.ts";
import { readCmd, readEntrypoint, readShell } from "./instructions/command-line.ts";
import { readAdd, readCopy } from "./instructions/copy.ts";
import { readFrom } from "./instructions/from.ts";
import { readHealthcheck } from "./instructions/healthcheck.ts";
import { readArg, readEnv, readLabel } from "./instructions/key-values.ts";
import { readOnbuild } from "./instructions/onbuild.ts";
import { fail, type Reading } from "./instructions/reading.ts";
import { readRun } from "./instructions/run.ts";
import {
  readExpose,
  readMaintainer,
  readStopsignal,
  readUser,
  readVolume,
  readWorkdir,
} from "./instructions/settings.ts";
import { INSTRUCTION_NAMES } from "./node.ts";
import { parse, parseLeniently } from "./parse.ts";

const READERS: Readonly<Record<Instruction["kind"], (reading: Reading) => Instruction>> = {
  add: readAdd,
  arg: readArg,
  cmd: readCmd,
  copy: readCopy,
  entrypoint: readEntrypoint,
  env: readEnv,
  expose: readExpose,
  from: readFrom,
  healthcheck: readHealthcheck,
  label: readLabel,
  maintainer: readMaintainer,
  onbuild: readOnbuild,
  run: readRun,
  shell: readShell,
  stopsignal: readStopsignal,
  user: readUser,
  volume: readVolume,
  workdir: readWorkdir,
};

/** Reads one node as an instruction. Throws TSB_DOCKERFILE with its place. */
export function parseInstruction(node: AstNode, source: SourceText): Instruction {
  const kind = node.keyword.toLowerCase();
  const reading = { node, source };
  if (!Object.hasOwn(READERS, kind)) throw unknownInstruction(reading);
  return READERS[kind as Instruction["kind"]](reading);
}

function unknownInstruction(reading: Reading): TsbuildError {
  const { keyword } = reading.node;
  const name = nearest(keyword, INSTRUCTION_NAMES);
  const hint =
    name === undefined
      ? "is the line before meant to go on? end it with the escape character"
      : `did you mean ${name}?`;
  return fail(reading, `there is no instruction ${JSON.stringify(shortened(keyword))}`, hint);
}

/** A file that is no Dockerfile may be one long word. */
function shortened(word: string): string {
  return word.length > 40 ? `${word.slice(0, 40)}…` : word;
}

/** What could be read of a Dockerfile and everything that is wrong with it. */
export interface CheckedInstructions {
  readonly program: DockerfileProgram;
  /** In file order; empty when the file is valid. */
  readonly errors: readonly TsbuildError[];
}

/** Reads all instructions and collects errors, so that they can be shown together (FEATURES D017–D022). */
export function checkInstructions(ast: DockerfileAst): CheckedInstructions {
  const errors: TsbuildError[] = [];
  const metaArgs: ArgInstruction[] = [];
  const stages: { readonly from: Stage["from"]; readonly commands: Command[] }[] = [];
  // What stands before the first FROM is reported once, and not at all when a FROM is there and wrong.
  let mayMissFrom = true;
  for (const node of ast.nodes) {
    try {
      place(parseInstruction(node, ast), { node, source: ast });
    } catch (error) {
      if (!(error instanceof TsbuildError)) throw error;
      errors.push(error);
      if (isFrom(node)) mayMissFrom = false;
    }
  }
  return { program: { metaArgs, stages }, errors };

  function place(instruction: Instruction, reading: Reading): void {
    const stage = stages.at(-1);
    if (instruction.kind === "from") stages.push({ from: instruction, commands: [] });
    else if (stage !== undefined) stage.commands.push(instruction);
    else if (instruction.kind === "arg") metaArgs.push(instruction);
    else if (mayMissFrom) {
      mayMissFrom = false;
      throw beforeFrom(reading);
    }
  }
}

/** FROM, or what was meant to be. */
function isFrom({ keyword }: AstNode): boolean {
  const kind = keyword.toLowerCase();
  return kind === "from" || (!Object.hasOwn(READERS, kind) && nearest(keyword, INSTRUCTION_NAMES) === "FROM");
}

function beforeFrom(reading: Reading): TsbuildError {
  const keyword = reading.node.keyword.toUpperCase();
  return fail(
    reading,
    `${keyword} stands before the first FROM`,
    "start with FROM; only ARG may stand before it",
  );
}

/**
 * Reads all instructions into stages (FEATURES D044, D058). Throws TSB_DOCKERFILE for the first error, with the others
 * as `related`.
 */
export function parseInstructions(ast: DockerfileAst): DockerfileProgram {
  const { program, errors } = checkInstructions(ast);
  throwTogether(errors);
  return program;
}

/** A Dockerfile that was read as far as possible. */
export interface CheckedDockerfile extends CheckedInstructions {
  readonly ast: DockerfileAst;
}

/** Reads a file to the end whatever is wrong with it. `errors`: what has no structure first, then wrong instructions. */
export function checkDockerfile(
  data: string | Uint8Array,
  options: { readonly file: string },
): CheckedDockerfile {
  const { ast, errors } = parseLeniently(data, options);
  const checked = checkInstructions(ast);
  return { ast, program: checked.program, errors: [...errors, ...checked.errors] };
}

/** Reads a valid file. Throws TSB_DOCKERFILE with everything that is wrong with it (`related`). */
export function readDockerfile(
  data: string | Uint8Array,
  options: { readonly file: string },
): { readonly ast: DockerfileAst; readonly program: DockerfileProgram } {
  const { ast, program, errors } = checkDockerfile(data, options);
  throwTogether(errors);
  return { ast, program };
}

/** Reads the text of an ONBUILD trigger from an image config: exactly one command (FEATURES D128). */
export function parseTrigger(text: string, options: { readonly file: string }): Command {
  const ast = parse(text, options);
  const [node, ...more] = ast.nodes;
  const instruction = parseInstruction(node!, ast);
  const reading = { node: node!, source: ast };
  if (more.length > 0) throw fail(reading, "an ONBUILD trigger is one instruction, this one has several");
  if (instruction.kind === "from" || instruction.kind === "onbuild" || instruction.kind === "maintainer") {
    throw fail(reading, `${instruction.kind.toUpperCase()} is not allowed as an ONBUILD trigger`);
  }
  return instruction;
}
