import type { LineRange } from "@tsbuild/base";
import type { AstNode } from "./ast.ts";

/** What every instruction has. `K` is the keyword in lower case. */
export interface InstructionBase<K extends string> {
  readonly kind: K;
  /** Keyword as written. */
  readonly name: string;
  /** The logical line, trimmed: what progress shows. */
  readonly source: string;
  readonly range: LineRange;
  /** Comment lines above. */
  readonly comments: readonly string[];
  /** The node it was made of: places of flags and words, original casing. */
  readonly node: AstNode;
}

/** `key=value` of ENV and LABEL, unexpanded, quotes kept. */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Written in the old form `KEY value` without `=`. */
  readonly legacy: boolean;
}

export interface ArgDeclaration {
  readonly key: string;
  /** Unexpanded default; absent when there is none, `""` when it is empty. */
  readonly value?: string;
  /** Text after `# <key> ` in the comment above (FEATURES D021). */
  readonly doc?: string;
}

/** A file whose text stands in the Dockerfile (COPY and ADD heredocs, FEATURES D032). */
export interface SourceContent {
  /** Name of the heredoc: path below the destination. */
  readonly path: string;
  /** Body, tabs chomped when asked for. */
  readonly data: string;
  /** Variables are to be expanded in `data` (`skipQuotes`, escape always backslash). */
  readonly expand: boolean;
}

/** A heredoc of RUN, CMD or ENTRYPOINT (FEATURES D029, D030). */
export interface InlineFile {
  readonly name: string;
  /** Raw body; tabs are not chomped yet. */
  readonly data: string;
  readonly chomp: boolean;
}

export interface CommandLine {
  /** Arguments; in shell form a single text. Null: `ENTRYPOINT` or `ENTRYPOINT []`. */
  readonly args: readonly string[] | null;
  /** The SHELL is to be put in front. */
  readonly shellForm: boolean;
  readonly files: readonly InlineFile[];
}

interface CopyLike {
  /** Unexpanded paths in order, heredocs left out. */
  readonly sources: readonly string[];
  readonly contents: readonly SourceContent[];
  readonly dest: string;
  /** Empty when not given, as are all texts of flags. */
  readonly chown: string;
  readonly chmod: string;
  readonly link: boolean;
  readonly exclude: readonly string[];
}

/** CDI device of `RUN --device` (FEATURES D088). */
export interface Device {
  readonly name: string;
  readonly required: boolean;
}

export interface Healthcheck {
  /** `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`. */
  readonly test: readonly string[];
  /** Durations in nanoseconds, 0 = not given. */
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}

export interface FromInstruction extends InstructionBase<"from"> {
  /** Image or stage, unexpanded. */
  readonly base: string;
  /** Stage name in lower case. */
  readonly stageName?: string;
  /** Unexpanded `--platform`. */
  readonly platform?: string;
  readonly doc?: string;
}

export interface RunInstruction extends InstructionBase<"run"> {
  readonly command: CommandLine;
  /** Texts of `--mount`, for `parseMount` when variables are known. */
  readonly mounts: readonly string[];
  readonly network: "default" | "none" | "host";
  readonly security: "sandbox" | "insecure";
  readonly devices: readonly Device[];
  /** Names of the flags that were given, sorted. */
  readonly flagsUsed: readonly string[];
}

export interface CopyInstruction extends InstructionBase<"copy">, CopyLike {
  readonly from: string;
  readonly parents: boolean;
}

export interface AddInstruction extends InstructionBase<"add">, CopyLike {
  readonly checksum: string;
  /** Absent: not given. */
  readonly keepGitDir?: boolean;
  readonly unpack?: boolean;
}

export interface CmdInstruction extends InstructionBase<"cmd"> {
  readonly command: CommandLine;
}
export interface EntrypointInstruction extends InstructionBase<"entrypoint"> {
  readonly command: CommandLine;
}
export interface LabelInstruction extends InstructionBase<"label"> {
  readonly labels: readonly KeyValue[];
}
export interface EnvInstruction extends InstructionBase<"env"> {
  readonly env: readonly KeyValue[];
}
export interface ArgInstruction extends InstructionBase<"arg"> {
  readonly args: readonly ArgDeclaration[];
}
export interface MaintainerInstruction extends InstructionBase<"maintainer"> {
  readonly maintainer: string;
}
export interface ExposeInstruction extends InstructionBase<"expose"> {
  /** Words, unexpanded, sorted. */
  readonly ports: readonly string[];
}
export interface VolumeInstruction extends InstructionBase<"volume"> {
  readonly volumes: readonly string[];
}
export interface UserInstruction extends InstructionBase<"user"> {
  readonly user: string;
}
export interface WorkdirInstruction extends InstructionBase<"workdir"> {
  readonly path: string;
}
export interface OnbuildInstruction extends InstructionBase<"onbuild"> {
  /** The trigger as the image config stores it, heredoc bodies included; `parseTrigger` reads it. */
  readonly expression: string;
}
export interface StopsignalInstruction extends InstructionBase<"stopsignal"> {
  readonly signal: string;
}
export interface HealthcheckInstruction extends InstructionBase<"healthcheck"> {
  readonly health: Healthcheck;
}
export interface ShellInstruction extends InstructionBase<"shell"> {
  readonly shell: readonly string[];
}

/** Everything that may stand in a stage. */
export type Command =
  | RunInstruction
  | CmdInstruction
  | LabelInstruction
  | MaintainerInstruction
  | ExposeInstruction
  | EnvInstruction
  | AddInstruction
  | CopyInstruction
  | EntrypointInstruction
  | VolumeInstruction
  | UserInstruction
  | WorkdirInstruction
  | ArgInstruction
  | OnbuildInstruction
  | StopsignalInstruction
  | HealthcheckInstruction
  | ShellInstruction;

/** All eighteen instructions. */
export type Instruction = FromInstruction | Command;

/** A FROM with the commands up to the next one. */
export interface Stage {
  readonly from: FromInstruction;
  readonly commands: readonly Command[];
}

/** A valid Dockerfile. */
export interface DockerfileProgram {
  /** ARGs before the first FROM: seen by FROM lines only (FEATURES D044). */
  readonly metaArgs: readonly ArgInstruction[];
  readonly stages: readonly Stage[];
}
