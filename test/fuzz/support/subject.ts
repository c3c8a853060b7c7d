import { TsbuildError } from "@tsbuild/base";
import {
  checkDockerfile,
  createMatcher,
  type DockerfileAst,
  expandWord,
  expandWords,
  format,
  parse,
  parseIgnoreFile,
  print,
  segments,
  walk,
} from "@tsbuild/dockerfile";
import { compile } from "@tsbuild/frontend";
import { CannedImages, requestOfOptions } from "@tsbuild/frontend/debug";

/** What is fuzzed. A test puts broken ones in, to see that they are found. */
export interface Subject {
  readonly parse: typeof parse;
  readonly format: typeof format;
}

export const realSubject: Subject = { parse, format };

const IMAGE = { image: { rootfs: { type: "layers", diff_ids: [] }, history: [{ created_by: "x" }] } };
const images = new CannedImages({ "*": IMAGE } as never);

/** A property that does not hold for some input. */
export class Violation extends Error {}

function hold(condition: boolean, property: string): void {
  if (!condition) throw new Violation(property);
}

/** The value, or undefined when the input is refused as it may be: with a TsbuildError. */
function unlessRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

/** Runs everything that reads untrusted text on one input. Throws a Violation, or what crashed. */
export async function checkInput(data: Uint8Array, subject: Subject): Promise<void> {
  const ast = unlessRefused(() => subject.parse(data, { file: "Dockerfile" }));
  const checked = unlessRefused(() => checkDockerfile(data, { file: "Dockerfile" }));
  if (ast !== undefined) checkAst(data, ast, subject);
  const lineCount = checked?.ast.text.split("\n").length ?? 0;
  for (const error of checked?.errors ?? []) checkError(error, lineCount);
  const text = Buffer.from(data).toString("utf8");
  checkIgnore(text);
  await checkCompile(text);
}

function checkAst(data: Uint8Array, ast: DockerfileAst, subject: Subject): void {
  hold(Buffer.compare(print(ast), data) === 0, "printing gives back the bytes");
  const joined = segments(ast).map((segment) => segment.text);
  hold(joined.join("") === ast.text, "segments are the whole text");
  for (const { node } of walk(ast)) {
    for (const word of [...node.args, ...node.flags]) checkWord(word.text, ast.escape);
  }
  checkFormat(ast.text, subject);
}

function checkWord(word: string, mark: "\\" | "`"): void {
  const env = new Map([["V", "some value"]]);
  unlessRefused(() => expandWord(word, env, { escape: mark }));
  unlessRefused(() => expandWords(word, env, { escape: mark, skipUnset: true, rawQuotes: true }));
}

function checkFormat(text: string, subject: Subject): void {
  const once = subject.format(text);
  hold(subject.format(once) === once, "formatting twice is formatting once");
}

/** Every error says where it is. */
function checkError(error: TsbuildError, lineCount: number): void {
  const range = error.source?.ranges[0];
  hold(range !== undefined && range.start <= range.end && range.end <= lineCount, "an error has its lines");
}

function checkIgnore(text: string): void {
  const short = text.slice(0, 2000);
  unlessRefused(() => createMatcher(parseIgnoreFile(short)).matches("a/b/c.txt"));
}

async function checkCompile(text: string): Promise<void> {
  const request = requestOfOptions({ file: "Dockerfile", text, ignore: undefined }, {}, undefined);
  try {
    await compile(request, images);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
  }
}
