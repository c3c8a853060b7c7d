import { TsbuildError } from "@tsbuild/base";
import { parse } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

function nodes(text: string) {
  return parse(text, { file: "Dockerfile" }).nodes;
}

function failure(text: string): TsbuildError {
  try {
    parse(text, { file: "Dockerfile" });
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

describe("lines", () => {
  it("drops a byte order mark and carriage returns", () => {
    const text = "\ufeff# escape=`\r\nFROM a\r\nRUN x `\r\n  y\r\n";
    const ast = parse(new TextEncoder().encode(text), { file: "Dockerfile" });
    expect(ast.escape).toBe("`");
    expect(ast.nodes.map((node) => node.original)).toEqual(["FROM a", "RUN x   y"]);
  });

  it("joins continued lines, without the comments between them", () => {
    const [run] = nodes("RUN a \\\n  # not here\n  b \\ \t\n\\\nc # text\n");
    expect(run?.original).toBe("RUN a   b c # text");
    expect(run?.range).toEqual({ start: 1, end: 5 });
  });

  it("does not continue after an escaped escape character", () => {
    expect(nodes("RUN a \\\\\nRUN b").map((node) => node.original)).toEqual(["RUN a \\\\", "RUN b"]);
  });

  it("tolerates a continuation at the end of the file", () => {
    expect(nodes("RUN a \\").map((node) => node.original)).toEqual(["RUN a "]);
  });

  it("warns of empty lines in a continued instruction", () => {
    const { warnings } = parse("RUN a \\\n\n  b\nRUN c", { file: "Dockerfile" });
    expect(warnings).toMatchObject([{ rule: "NoEmptyContinuation", range: { start: 3, end: 3 } }]);
  });

  it("refuses a file without instructions", () => {
    expect(failure("# only\n# comments\n")).toMatchObject({
      code: "TSB_DOCKERFILE",
      source: { file: "Dockerfile", ranges: [{ start: 2, end: 2 }] },
    });
  });
});

describe("directives", () => {
  it("end at the first line that is none", () => {
    expect(parse("# comment\n# escape=`\nFROM a", { file: "Dockerfile" }).escape).toBe("\\");
  });

  it("are refused when they are there twice", () => {
    const error = failure("# escape=`\n# Escape = `\nFROM a");
    expect(error.message).toBe('the directive "escape" is there twice');
    expect(error.source?.ranges).toEqual([{ start: 2, end: 2 }]);
  });

  it("know two escape characters", () => {
    expect(failure("# escape=^\nFROM a").hint).toBe("write # escape=\\ or # escape=`");
  });

  it("name the syntax also after a shebang, in // comments and in JSON", () => {
    const syntax = (text: string) => parse(`${text}\nFROM a`, { file: "Dockerfile" }).syntax;
    expect(syntax("#!/usr/bin/env x\n# syntax = a:1 b")).toMatchObject({
      value: "a:1",
      text: "a:1 b",
      range: { start: 2, end: 2 },
    });
    expect(syntax("// syntax=b")).toMatchObject({ value: "b" });
    expect(parse('{"syntax": "c"}', { file: "Dockerfile" }).syntax).toMatchObject({ value: "c" });
  });
});

describe("places", () => {
  it("are those of words in the file, over continued lines", () => {
    const [copy] = nodes("  COPY --from=x \\\n   a\\\n b dest\n");
    expect(copy?.column).toBe(3);
    expect(copy?.flags).toEqual([{ text: "--from=x", line: 1, column: 8 }]);
    expect(copy?.args).toEqual([
      { text: "a", line: 2, column: 4 },
      { text: "b", line: 3, column: 2 },
      { text: "dest", line: 3, column: 4 },
    ]);
  });

  it("are those of the items of a JSON array and of keys and values", () => {
    const [cmd, env] = nodes('CMD [ "a\\"b", "c" ]\nENV A="x y" B=z');
    expect(cmd?.args.map((arg) => [arg.text, arg.column])).toEqual([
      ['a"b', 7],
      ["c", 15],
    ]);
    expect(env?.args.map((arg) => [arg.text, arg.column])).toEqual([
      ["A", 5],
      ['"x y"', 7],
      ["=", 6],
      ["B", 13],
      ["z", 15],
      ["=", 14],
    ]);
  });

  it("are known of the instruction after ONBUILD", () => {
    const [onbuild] = nodes("ONBUILD  run   make all");
    expect(onbuild?.trigger).toMatchObject({ keyword: "run", column: 10, original: "run   make all" });
    expect(onbuild?.trigger?.args).toEqual([{ text: "make all", line: 1, column: 16 }]);
  });
});

describe("flags", () => {
  const flags = (text: string) => nodes(text)[0]?.flags.map((flag) => flag.text);

  it("lose quotes and escapes", () => {
    expect(flags(`RUN --a="b c" --d=e\\ f --g='\\'' h`)).toEqual(["--a=b c", "--d=e f", "--g='"]);
  });

  it("end at the first other word and at --", () => {
    expect(nodes("RUN --a x --b")[0]).toMatchObject({ args: [{ text: "x --b" }] });
    expect(nodes("RUN --a -- --b")[0]).toMatchObject({ args: [{ text: "--b" }] });
    expect(flags("RUN --a -- --b")).toEqual(["--a"]);
  });
});

describe("JSON form", () => {
  it("falls back to shell form when it is no JSON", () => {
    expect(nodes("CMD ['a']")[0]).toMatchObject({ form: "raw", args: [{ text: "['a']" }] });
    expect(nodes('COPY ["a", "b"] c')[0]).toMatchObject({ form: "words" });
  });

  it("is refused with anything but strings", () => {
    const error = failure('FROM a\nCMD ["a", 1]');
    expect(error.message).toContain("strings only");
    expect(error.source).toMatchObject({ ranges: [{ start: 2, end: 2 }], column: 5 });
  });
});

describe("heredocs", () => {
  it("are read in order, with their options", () => {
    const [copy] = nodes("COPY <<a 3<<-'b c' /x\n1\na\n\t2\n\tb c\n");
    expect(copy?.range).toEqual({ start: 1, end: 5 });
    expect(copy?.heredocs).toEqual([
      { name: "a", fd: 0, expand: true, chomp: false, content: "1\n", range: { start: 2, end: 3 } },
      { name: "b c", fd: 3, expand: false, chomp: true, content: "\t2\n", range: { start: 4, end: 5 } },
    ]);
  });

  it("keep line ends, and comments are text in them", () => {
    const [run] = nodes("RUN <<EOF\r\n# no comment\r\nx \\\r\nEOF\r\n");
    expect(run?.heredocs[0]?.content).toBe("# no comment\r\nx \\\r\n");
  });

  it("are none in quotes, here-strings, shifts, JSON form and other instructions", () => {
    const lines = [
      'RUN echo "<<EOF"',
      "RUN cat <<<EOF",
      "RUN echo $((1<<EOF))",
      'RUN ["a", "<<EOF"]',
      "CMD <<EOF",
    ];
    for (const node of nodes(lines.join("\n"))) expect(node.heredocs).toEqual([]);
  });

  it("hang on the ONBUILD that they are behind", () => {
    expect(nodes("ONBUILD RUN <<EOF\nx\nEOF")[0]?.heredocs).toMatchObject([{ name: "EOF", content: "x\n" }]);
  });

  it("must be terminated", () => {
    const error = failure("FROM a\nRUN <<EOF\nx\n");
    expect(error.message).toBe("the heredoc EOF is not terminated");
    expect(error.source?.ranges).toEqual([{ start: 2, end: 3 }]);
  });
});

describe("hostile input ends soon", () => {
  const big = 1_000_000;

  it.each<[string, string]>([
    ["a long line", `RUN ${"x ".repeat(big)}`],
    ["a long line with heredoc marks", `RUN cat ${'"<<" $x '.repeat(big / 10)}`],
    ["many continued lines", `RUN x${" \\\n y".repeat(100_000)}`],
    ["many empty continued lines", `RUN x \\\n${"\n".repeat(big)}y`],
    ["an open quote", `ENV A="${"\\x".repeat(big)}`],
    ["many pairs", `ENV ${"a=b ".repeat(big / 10)}`],
    ["many flags", `RUN ${"--mount=x ".repeat(big / 10)}`],
    ["many escape characters", `RUN ${"\\".repeat(big)}`],
    ["deep substitutions", `ENV x=${"${a:-".repeat(10_000)}`],
    ["open brackets", `RUN ${"[".repeat(big)}`],
    ["NUL characters", `RUN ${"\0".repeat(big)}`],
  ])("%s", (_, text) => {
    expect(nodes(`FROM a\n${text}`)).toHaveLength(2);
  });

  it("chained ONBUILDs", () => {
    expect(failure("ONBUILD ".repeat(100_000)).message).toContain("cannot be chained");
  });

  it("a heredoc without end", () => {
    expect(failure(`RUN <<E\n${"x\n".repeat(big)}`).message).toContain("not terminated");
  });

  it("a file beyond the limit", () => {
    expect(failure("x".repeat(17 * 1024 * 1024)).message).toContain("more than the limit");
  });
});
