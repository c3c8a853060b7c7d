import type { Word } from "../ast.ts";
import { chompHeredoc, type HeredocMark, parseHeredocMark } from "../heredoc.ts";
import type { AddInstruction, CopyInstruction, SourceContent } from "../instruction.ts";
import { readFlags } from "./flags.ts";
import { at, base, fail, keywordOf, type Reading } from "./reading.ts";

export function readCopy(reading: Reading): CopyInstruction {
  checkCount(reading);
  const flags = readFlags(reading, {
    chown: "text",
    from: "text",
    chmod: "text",
    link: "boolean",
    exclude: "list",
    parents: "boolean",
  });
  return {
    ...base(reading, "copy"),
    ...sourcesAndDest(reading),
    ...ownership(flags),
    from: flags.from ?? "",
    parents: flags.parents ?? false,
  };
}

export function readAdd(reading: Reading): AddInstruction {
  checkCount(reading);
  const flags = readFlags(reading, {
    chown: "text",
    chmod: "text",
    link: "boolean",
    "keep-git-dir": "boolean",
    checksum: "text",
    unpack: "boolean",
    exclude: "list",
  });
  return {
    ...base(reading, "add"),
    ...sourcesAndDest(reading),
    ...ownership(flags),
    checksum: flags.checksum ?? "",
    ...(flags["keep-git-dir"] === undefined ? {} : { keepGitDir: flags["keep-git-dir"] }),
    ...(flags.unpack === undefined ? {} : { unpack: flags.unpack }),
  };
}

function ownership(flags: {
  readonly chown?: string;
  readonly chmod?: string;
  readonly link?: boolean;
  readonly exclude?: readonly Word[];
}) {
  return {
    chown: flags.chown ?? "",
    chmod: flags.chmod ?? "",
    link: flags.link ?? false,
    exclude: (flags.exclude ?? []).map((flag) => flag.text),
  };
}

function checkCount(reading: Reading): void {
  if (reading.node.args.length >= 2) return;
  const keyword = keywordOf(reading);
  const only = reading.node.args[0];
  const message =
    only === undefined ? "a source and a destination" : `a destination after ${JSON.stringify(only.text)}`;
  throw fail(
    reading,
    `${keyword} needs ${message}`,
    `for example: ${keyword} ${only?.text ?? "src"} .`,
    only,
  );
}

function sourcesAndDest(reading: Reading) {
  const dest = reading.node.args.at(-1)!;
  if (at(reading, dest, () => parseHeredocMark(dest.text)) !== undefined) {
    throw fail(
      reading,
      `the destination of ${keywordOf(reading)} cannot be a heredoc`,
      "name the file last",
      dest,
    );
  }
  // In JSON form there are no bodies, and the files stay empty; of bodies with one name the last counts.
  const bodies = new Map(reading.node.heredocs.map(({ name, content }) => [name, content]));
  const sources: string[] = [];
  const contents: SourceContent[] = [];
  for (const arg of reading.node.args.slice(0, -1)) {
    const mark = at(reading, arg, () => parseHeredocMark(arg.text));
    if (mark === undefined) sources.push(arg.text);
    else contents.push(inlineContent(mark, bodies.get(mark.name) ?? ""));
  }
  return { sources, contents, dest: dest.text };
}

function inlineContent(mark: HeredocMark, body: string): SourceContent {
  return { path: mark.name, data: mark.chomp ? chompHeredoc(body) : body, expand: mark.expand };
}
