import { TsbuildError } from "@tsbuild/base";
import { type DockerfileAst, format, parse, print, segments } from "@tsbuild/dockerfile";
import { Corpus } from "@tsbuild/testkit/corpus";
import { describe, expect, it } from "vitest";

const corpus = new Corpus();
if (corpus.problem !== undefined) console.log(`skipped: ${corpus.problem}`);

function tryParse(data: Uint8Array, file: string): DockerfileAst | undefined {
  try {
    return parse(data, { file });
  } catch (error) {
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

describe.skipIf(corpus.problem !== undefined)("every Dockerfile of the corpus that parses", () => {
  const cases = corpus.problem === undefined ? corpus.cases() : [];
  const files = cases.flatMap(({ file }) => {
    const data = corpus.bytes(`dockerfiles/${file}`);
    const ast = tryParse(data, file);
    return ast === undefined ? [] : [{ file, data, ast }];
  });

  it("is printed back byte by byte", () => {
    console.log(`print: ${files.length} files`);
    expect(files.length).toBeGreaterThan(1000);
    expect(
      files.filter(({ data, ast }) => Buffer.compare(print(ast), data) !== 0).map(({ file }) => file),
    ).toEqual([]);
  });

  it("is made of segments without gap or overlap", () => {
    const joined = (ast: DockerfileAst): string =>
      segments(ast)
        .map((segment) => segment.text)
        .join("");
    expect(files.filter(({ ast }) => joined(ast) !== ast.text).map(({ file }) => file)).toEqual([]);
  });

  it("is formatted once and for all", () => {
    const unstable = files.filter(({ file, ast }) => {
      const once = format(ast.text, { file });
      return format(once, { file }) !== once;
    });
    expect(unstable.map(({ file }) => file)).toEqual([]);
  });
});
