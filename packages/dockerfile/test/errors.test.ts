import { TsbuildError } from "@tsbuild/base";
import { checkDockerfile, formatSourceWindow, nearest, parse, readDockerfile } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

function errorsOf(...lines: string[]): readonly TsbuildError[] {
  return checkDockerfile(lines.join("\n"), { file: "Dockerfile" }).errors;
}

/** `line:column message (hint)` of each error. */
function shown(...lines: string[]): string[] {
  return errorsOf(...lines).map(({ message, hint, source }) => {
    const place = `${source?.line ?? source?.ranges[0]?.start}:${source?.column ?? "?"}`;
    return `${place} ${message}${hint === undefined ? "" : ` (${hint})`}`;
  });
}

describe("errors of one file", () => {
  it("are found together, structure first", () => {
    const found = shown(
      "FROM debian",
      "RUNN make",
      "COPY --form=x a b",
      "ENV a=1 b",
      "RUN --mount=type=bind,from=$X true",
      "HEALTHCHECK CDM x",
    );
    expect(found).toEqual([
      '4:9 "b" has no "=": expected name=value (quote values with blanks)',
      '2:1 there is no instruction "RUNN" (did you mean RUN?)',
      "3:6 COPY has no flag --form (did you mean --from?)",
      "5:5 from=$X has a variable: it is not expanded there (define a stage for it (FROM … AS name) and write from=name; or, for tsbuild alone, the comment `# tsbuild: expand-from` above)",
      '6:13 HEALTHCHECK has no type "CDM" (did you mean CMD?)',
    ]);
  });

  it("are found behind a heredoc without an end, from the next line that looks like an instruction", () => {
    expect(shown("FROM debian", "RUN <<EOF", "set -e", "RNU x", "EOFF", "COPY --form=x a b")).toEqual([
      '2:? the heredoc EOF is not terminated (line 5 looks like its end, but reads "EOFF": write EOF)',
      "6:6 COPY has no flag --form (did you mean --from?)",
    ]);
  });

  it("tell of a line that was meant to end a heredoc", () => {
    const hint = (start: string, ...rest: string[]): string | undefined =>
      shown("FROM x", `RUN ${start}`, ...rest)[0];
    expect(hint("<<EOF", "x", "  EOF", "y")).toContain("line 4 looks like its end, but has blanks around it");
    expect(hint("<<EOF", "EOF ")).toContain("line 3 looks like its end, but has blanks around it");
    expect(hint("<<EOF", "\tEOF")).toContain("is indented with tabs: write <<-EOF");
    expect(hint("<<-EOF", "\t EOF")).toContain("has blanks around it");
    expect(hint("<<EOF", "eof\r")).toContain('reads "eof": write EOF');
    expect(hint("<<EOF", "EOF;", "EOG")).toContain("line 3 looks");
    expect(hint("<<EOF", "echo EOF", "if", "")).toContain("end it with a line that holds nothing but EOF");
    expect(hint("<<E", "a", "b")).toContain("end it with a line that holds nothing but E");
  });

  it("are thrown as one error with the others related", () => {
    const text = "FROM x\nRUN [1]\nCMD [2]\nRUNN\n";
    const caught = (read: () => unknown): TsbuildError => {
      try {
        read();
      } catch (error) {
        if (error instanceof TsbuildError) return error;
      }
      throw new Error("nothing was thrown");
    };
    const lines = ({ source, related }: TsbuildError) =>
      [source, ...related.map((error) => error.source)].map((place) => place?.ranges[0]?.start);
    expect(lines(caught(() => parse(text, { file: "D" })))).toEqual([2, 3]);
    expect(lines(caught(() => readDockerfile(text, { file: "D" })))).toEqual([2, 3, 4]);
  });

  it("do not follow from one another", () => {
    expect(shown("FORM debian", "RUN a", "RUN b")).toEqual([
      '1:1 there is no instruction "FORM" (did you mean FROM?)',
    ]);
    expect(shown("FROM a b", "RUN a", "RUN b")).toHaveLength(1);
    expect(shown("RUN a", "RUN b", "FROM x")).toEqual([
      "1:1 RUN stands before the first FROM (start with FROM; only ARG may stand before it)",
    ]);
  });

  it("quote no more of a long word than can be read", () => {
    const [error] = errorsOf("x".repeat(5000), "FROM y");
    expect(error?.message).toBe(`there is no instruction "${"x".repeat(40)}…"`);
  });

  it("go on after a wrong directive", () => {
    expect(shown("# escape=x", "# escape=`", "RUNN")).toEqual([
      '1:? the escape character cannot be "x" (write # escape=\\ or # escape=`)',
      '2:? the directive "escape" is there twice (remove one of them)',
      '3:1 there is no instruction "RUNN" (did you mean RUN?)',
    ]);
  });

  it("point at the word also in a further line", () => {
    const [error] = errorsOf("FROM x", "COPY --chown=1 \\", "  --chwon=2 \\", "  a b");
    expect(formatSourceWindow(error!.source!)).toBe(
      [
        "Dockerfile:3:3",
        " 1 |     FROM x",
        " 2 | >>> COPY --chown=1 \\",
        " 3 | >>>   --chwon=2 \\",
        "   |       ^",
        " 4 | >>>   a b",
      ].join("\n"),
    );
  });
});

describe("nearest", () => {
  it("takes swapped neighbours for one slip", () => {
    expect(nearest("biuld", ["build", "bind"])).toBe("build");
    expect(nearest("FORM", ["FROM", "ARG"])).toBe("FROM");
    expect(nearest("tpye", ["type", "target"])).toBe("type");
  });

  it("prefers the nearest, and knows when nothing is near", () => {
    expect(nearest("targt", ["type", "target", "tmpfs"])).toBe("target");
    expect(nearest("x", ["build"])).toBeUndefined();
    expect(nearest("a".repeat(100_000), ["b".repeat(100_000)])).toBeUndefined();
  });
});
