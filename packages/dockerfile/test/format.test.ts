import { format, parse, print, segments, walk } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

function lines(...all: string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

describe("format", () => {
  it("writes keywords in upper case and one blank between words", () => {
    const text = lines(
      "from   debian  as base",
      "copy  --chown=1:2   a  b   /x/ ",
      "healthcheck --retries=3  cmd   true  x",
    );
    expect(format(text)).toBe(
      lines("FROM debian AS base", "COPY --chown=1:2 a b /x/", "HEALTHCHECK --retries=3 CMD true  x"),
    );
  });

  it("indents further lines, but not where blanks are run", () => {
    const text = lines(
      "FROM x",
      "env a=b   \\",
      "  c='d   e'",
      "run  --network=none \\",
      "  make   && \\",
      " test  ",
    );
    expect(format(text)).toBe(
      lines("FROM x", "ENV a=b \\", "    c='d   e'", "RUN --network=none \\", "    make   && \\", " test"),
    );
  });

  it("keeps comments, indented as the line below", () => {
    const text = lines("FROM x", "  # about it", "RUN a && \\", "# why", "\tb \\", "", "# end", "  c");
    expect(format(text)).toBe(
      lines("FROM x", "# about it", "RUN a && \\", "\t# why", "\tb \\", "  # end", "  c"),
    );
  });

  it("drops a continuation that nothing follows, not the comments after it", () => {
    expect(format(lines("FROM x", "RUN a \\", "", "# bye"))).toBe(lines("FROM x", "RUN a", "# bye"));
  });

  it("spaces JSON forms, on one line or several", () => {
    const text = lines("FROM x", 'CMD [ "a,b" ,"c" ]', 'ENTRYPOINT   ["x",\\', '"y"\\', "]", "SHELL  []");
    expect(format(text)).toBe(
      lines("FROM x", 'CMD ["a,b", "c"]', 'ENTRYPOINT ["x", \\', '    "y" \\', "]", "SHELL []"),
    );
  });

  it("puts a blank line above stages and their comments, and one in place of many", () => {
    const text = lines("", "", "FROM a", "", "", "", "RUN x", "# second", "FROM b", "", "");
    expect(format(text)).toBe(lines("FROM a", "", "RUN x", "", "# second", "FROM b"));
  });

  it("leaves heredoc bodies as they are", () => {
    const text = "FROM x\nrun   <<-EOF  sh\n\t a  \r\n\n\tEOF\ncopy  <<A   <<B /x\n1 \nA\n 2\nB";
    expect(format(text)).toBe("FROM x\nRUN <<-EOF  sh\n\t a  \r\n\n\tEOF\nCOPY <<A <<B /x\n1 \nA\n 2\nB\n");
  });

  it("leaves triggers as the image will hold them", () => {
    expect(format("FROM x\nonbuild   copy   a  b\n")).toBe("FROM x\nONBUILD copy   a  b\n");
  });

  it("leaves what it cannot take apart", () => {
    const text = lines("FROM x", "co\\", "py a   b", "COPY a\\", "b   c", "nonsense  x   y");
    expect(format(text)).toBe(text);
    // A carriage return within a line is no line end.
    expect(format("F\r\\\nROM x\n")).toBe("F\r\\\nROM x\n");
  });

  it("writes directives in one form and knows the escape character", () => {
    const text = "\ufeff#  Escape =  `  \r\n#syntax=a/b:1\r\nfrom x  \r\nrun a `\r\n  C:\\ \r\n";
    expect(format(text)).toBe("# escape=`\n# syntax=a/b:1\nFROM x\nRUN a `\n  C:\\\n");
  });

  it("makes no directive of a comment", () => {
    const below = "\n# escape=`\nFROM x\nRUN a \\\n  b\n";
    expect(format(below)).toBe(below);
    // As a directive, it would leave a file that cannot be read.
    const unreadable = "\n# escape=`\nFROM x\nENV a=b \\\n    c=d\nENV e=f` g=h\n";
    expect(format(unreadable)).toBe(unreadable);
    const indented = "  # syntax=a/b\nFROM x\n";
    expect(format(indented)).toBe(indented);
  });

  it("does not let a backslash at the end become a continuation", () => {
    for (const last of ["RUN a \\\u00a0", "ENV V=\\\u00a0", "COPY a \\\u00a0"]) {
      const text = `FROM x\n${last}\nRUN b\n`;
      expect(format(text)).toBe(text);
    }
  });

  it("refuses other encodings and what cannot be parsed", () => {
    expect(() => format(Uint8Array.of(0x46, 0xff))).toThrow("not UTF-8");
    expect(() => format("FROM x\nRUN [1]\n", { file: "D" })).toThrow("strings only");
  });
});

describe("print", () => {
  const text = "FROM a\n# c\nRUN x \\\n  y\nCMD z";

  it("gives back byte order marks and invalid bytes", () => {
    const data = Uint8Array.of(0xef, 0xbb, 0xbf, 0x46, 0x20, 0xff, 0x0d, 0x0a);
    expect(print(parse(data, { file: "D" }))).toEqual(data);
  });

  it("replaces, inserts and removes lines", () => {
    const ast = parse(text, { file: "D" });
    const run = ast.nodes[1]!;
    const edited = print(ast, [
      { range: { start: 5, end: 5 }, text: "" },
      { range: run.range, text: "RUN z" },
      { range: { start: 1, end: 0 }, text: "# top\n" },
    ]);
    expect(new TextDecoder().decode(edited)).toBe("# top\nFROM a\n# c\nRUN z\n");
  });

  it("refuses edits that overlap", () => {
    const edit = { range: { start: 3, end: 4 }, text: "" };
    expect(() => print(parse(text, { file: "D" }), [edit, edit])).toThrow("overlap in line 3");
  });
});

describe("segments and walk", () => {
  it("tell apart directives, comments, blank lines and instructions", () => {
    const ast = parse("# escape=`\n# c\n\n \nFROM a\n# d\n", { file: "D" });
    expect(segments(ast).map(({ kind, range }) => `${kind} ${range.start}-${range.end}`)).toEqual([
      "directive 1-1",
      "comment 2-2",
      "blank 3-4",
      "instruction 5-5",
      "comment 6-6",
    ]);
  });

  it("visits triggers after their ONBUILD, with the stage", () => {
    const ast = parse("ARG v\nFROM a\nONBUILD RUN x\nFROM b\n", { file: "D" });
    const seen = [...walk(ast)].map(({ node, parent, stage }) => [node.keyword, parent?.keyword, stage]);
    expect(seen).toEqual([
      ["ARG", undefined, -1],
      ["FROM", undefined, 0],
      ["ONBUILD", undefined, 0],
      ["RUN", "ONBUILD", 0],
      ["FROM", undefined, 1],
    ]);
  });
});
