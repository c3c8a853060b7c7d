import { nearest, TsbuildError } from "@tsbuild/base";
import { type CommandSpec, type FlagSpec, globalFlags } from "./spec.ts";

/** What stands on a command line, by the long name of each flag. */
export interface ParsedFlags {
  readonly operands: readonly string[];
  /** Every value given, in order; empty when the flag is absent. */
  all(name: string): readonly string[];
  /** The last value given. */
  last(name: string): string | undefined;
  /** A switch that is on. */
  isOn(name: string): boolean;
}

/** Flags that others have and this program has not: said with the reason, so that nobody looks for a typing error. */
const NOT_HERE: ReadonlyMap<string, string> = new Map([
  ["builder", "there are no builders to choose from: tsbuild builds in its own process"],
  ["policy", "policies in Rego are not known; --source-policy-file takes BuildKit's JSON rules"],
  ["cgroupns", "steps always have a cgroup namespace of their own"],
]);

/**
 * Parses as Docker's command line does: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, `-f=value`, switches
 * together as in `-it` (the last of them may take a value), `--switch=false`, and `--` before operands that begin
 * with a dash. Throws TSB_USAGE.
 */
export function parseFlags(spec: CommandSpec, args: readonly string[]): ParsedFlags {
  const parser = new FlagParser(spec);
  parser.parse(args);
  return parser;
}

class FlagParser implements ParsedFlags {
  readonly operands: string[] = [];
  readonly #spec: CommandSpec;
  readonly #flags: readonly FlagSpec[];
  readonly #values = new Map<string, string[]>();
  #rest: string[] = [];

  constructor(spec: CommandSpec) {
    this.#spec = spec;
    this.#flags = [...spec.flags, ...globalFlags];
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  last(name: string): string | undefined {
    return this.all(name).at(-1);
  }

  isOn(name: string): boolean {
    return this.last(name) === "true";
  }

  parse(args: readonly string[]): void {
    this.#rest = [...args];
    for (let word = this.#rest.shift(); word !== undefined; word = this.#rest.shift()) {
      if (word === "--") this.#takeOperands();
      else if (word.startsWith("--")) this.#parseLong(word);
      else if (word.length > 1 && word.startsWith("-")) this.#parseShorts(word);
      else this.#operand(word);
    }
  }

  #operand(word: string): void {
    this.operands.push(word);
    if (this.#spec.flagsBeforeOperands) this.#takeOperands();
  }

  #takeOperands(): void {
    this.operands.push(...this.#rest.splice(0));
  }

  #parseLong(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const flag = this.#flags.find((candidate) => candidate.name === name);
    if (flag === undefined) throw this.#unknown(`--${name}`);
    if (flag.value === undefined) this.#add(flag, switchValue(word, value));
    else this.#add(flag, value ?? flag.bare ?? this.#nextWord(`--${name}`, flag));
  }

  #parseShorts(word: string): void {
    for (let at = 1; at < word.length; at++) {
      const letter = word[at]!;
      const flag = this.#flags.find((candidate) => candidate.short === letter);
      if (flag === undefined) throw this.#unknown(`-${letter}`, word);
      const rest = word.slice(at + 1);
      if (flag.value === undefined && !rest.startsWith("=")) {
        this.#add(flag, "true");
        continue;
      }
      const attached = rest.startsWith("=") ? rest.slice(1) : rest === "" ? undefined : rest;
      if (flag.value === undefined) this.#add(flag, switchValue(word, attached));
      else this.#add(flag, attached ?? this.#nextWord(`-${letter}`, flag));
      return;
    }
  }

  #nextWord(spelling: string, flag: FlagSpec): string {
    const value = this.#rest.shift();
    if (value !== undefined) return value;
    throw new TsbuildError("TSB_USAGE", `${spelling} needs a value: ${spelling} ${flag.value}`, {
      hint: `tsbuild ${this.#spec.name} --help`,
    });
  }

  #add(flag: FlagSpec, value: string): void {
    const values = this.#values.get(flag.name) ?? [];
    values.push(value);
    this.#values.set(flag.name, values);
  }

  #unknown(spelling: string, word = spelling): TsbuildError {
    const name = spelling.replace(/^-+/, "");
    const inWord = word === spelling ? "" : ` in ${JSON.stringify(word)}`;
    const why = spelling.startsWith("--") ? NOT_HERE.get(name) : undefined;
    if (why !== undefined) {
      return new TsbuildError("TSB_USAGE", `tsbuild does not have ${spelling}: ${why}`, {
        hint: `tsbuild ${this.#spec.name} --help lists what it has`,
      });
    }
    const names = this.#flags.map((flag) => flag.name);
    const near = spelling.startsWith("--") ? nearest(name, names) : undefined;
    return new TsbuildError("TSB_USAGE", `unknown flag ${spelling}${inWord}`, {
      hint: near === undefined ? `tsbuild ${this.#spec.name} --help` : `did you mean --${near}?`,
    });
  }
}

/** The words that Go's flag parser takes for a switch. */
const SWITCH_WORDS: ReadonlyMap<string, string> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((word) => [word, "true"] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((word) => [word, "false"] as const),
]);

function switchValue(word: string, value: string | undefined): string {
  if (value === undefined) return "true";
  const on = SWITCH_WORDS.get(value);
  if (on !== undefined) return on;
  throw new TsbuildError("TSB_USAGE", `${JSON.stringify(word)}: a switch is true or false`);
}
