import { TsbuildError } from "@tsbuild/base";
import { type Command, checkInstructions, parse, parseInstructions, parseTrigger } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

/** The commands of a stage that has these lines. */
function commands(...lines: string[]): readonly Command[] {
  return parseInstructions(parse(["FROM a", ...lines].join("\n"), { file: "Dockerfile" })).stages[0]!
    .commands;
}

function failure(text: string): TsbuildError {
  try {
    parseInstructions(parse(text, { file: "Dockerfile" }));
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error(`expected a failure: ${text}`);
}

describe("stages", () => {
  it("start at FROM; ARGs before the first one are global", () => {
    const text = "ARG V=1\n# Builder compiles\nfrom --platform=$P img:$V as Builder\nRUN x\nFROM builder";
    const program = parseInstructions(parse(text, { file: "Dockerfile" }));
    expect(program.metaArgs.map(({ args }) => args)).toEqual([[{ key: "V", value: "1" }]]);
    expect(program.stages.map(({ from }) => [from.base, from.stageName, from.platform])).toEqual([
      ["img:$V", "builder", "$P"],
      ["builder", undefined, undefined],
    ]);
    expect(program.stages[0]!.commands).toHaveLength(1);
  });

  it("take their description from the comment above", () => {
    const program = parseInstructions(parse("# x\n# a does it\nFROM i AS a", { file: "Dockerfile" }));
    expect(program.stages[0]!.from.doc).toBe("does it");
  });
});

describe("errors name the place and what to do", () => {
  it.each<[text: string, message: string, hint: string, line: number, column: number]>([
    ["FROM a\nRUM make", 'there is no instruction "RUM"', "did you mean RUN?", 2, 1],
    ["FROM a\n  COPY --form=b c d", "COPY has no flag --form", "did you mean --from?", 2, 8],
    ["FROM a\nRUN --mount x", "--mount has no value", "write --mount=VALUE, without a blank", 2, 5],
    ["FROM a\nCOPY --link= a b", "--link= has no value", "write --link, --link=true or --link=false", 2, 6],
    [
      "FROM a\nCOPY --chown=1 --chown=2 a b",
      "--chown is given twice",
      "it takes one value: remove one",
      2,
      16,
    ],
    ["FROM a\nCOPY only", 'COPY needs a destination after "only"', "for example: COPY only .", 2, 6],
    ["FROM a\nRUN --network=hots x", '--network cannot be "hots"', "did you mean host?", 2, 5],
    ["RUN x", "RUN stands before the first FROM", "start with FROM; only ARG may stand before it", 1, 1],
    ["FROM a\nSHELL /bin/sh", "SHELL takes a JSON array", 'for example: SHELL ["/bin/bash", "-c"]', 2, 7],
    ["FROM a AS 1st", '"1st" is no name for a stage', "a name starts with a letter", 1, 11],
    ["FROM a b", 'FROM a is followed by "b"', 'write "FROM image" or "FROM image AS name"', 1, 8],
    ["FROM a\nHEALTHCHECK CDM x", 'HEALTHCHECK has no type "CDM"', "did you mean CMD?", 2, 13],
    ["FROM a\nHEALTHCHECK --timeout=3 CMD x", "--timeout is no duration", "for example: 30s", 2, 13],
    ["FROM a\nENV =x", "ENV has a value without a name", "for example: ENV NAME=value", 2, 5],
    [
      "FROM a\nRUN --mount=type=bind,from=$x,target=/y z",
      "from=$x has a variable",
      "define a stage for it",
      2,
      5,
    ],
    ["FROM a\nCOPY a <<EOF\nEOF", "the destination of COPY cannot be a heredoc", "name the file last", 2, 8],
  ])("%j", (text, message, hint, line, column) => {
    const error = failure(text);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(error.source?.ranges[0]?.start).toBe(line);
    expect(error.source?.column).toBe(column);
  });

  it("are collected when all are asked for", () => {
    const { errors, program } = checkInstructions(
      parse("FROM a\nRUM x\nRUN y\nCOPY z", { file: "Dockerfile" }),
    );
    expect(errors.map((error) => error.source?.ranges[0]?.start)).toEqual([2, 4]);
    expect(program.stages[0]!.commands).toHaveLength(1);
  });

  it.each(["ONBUILD ONBUILD RUN x", "ONBUILD FROM x", "onbuild maintainer x"])("%s", (text) => {
    expect(failure(`FROM a\n${text}`).message).toContain("is not allowed");
  });
});

describe("commands", () => {
  it("RUN, with flags and heredocs", () => {
    const [run] = commands(
      "RUN --mount=type=cache,target=/c --network=none --device=v/c=d,required <<-EOF\n\tx\nEOF",
    );
    expect(run).toMatchObject({
      kind: "run",
      mounts: ["type=cache,target=/c"],
      network: "none",
      security: "sandbox",
      devices: [{ name: "v/c=d", required: true }],
      flagsUsed: ["device", "mount", "network"],
      command: { args: ["<<-EOF"], shellForm: true, files: [{ name: "EOF", data: "\tx\n", chomp: true }] },
    });
  });

  it("COPY of files and heredocs", () => {
    const [copy] = commands("COPY --chmod=u+x --exclude=a --exclude=b src <<-'f' /d/\n\tx $y\nf");
    expect(copy).toMatchObject({
      sources: ["src"],
      contents: [{ path: "f", data: "x $y\n", expand: false }],
      dest: "/d/",
      chmod: "u+x",
      exclude: ["a", "b"],
      link: false,
    });
  });

  it("ADD tells flags that were not given from false", () => {
    const [add, plain] = commands("ADD --unpack=false a b", "ADD a b");
    expect(add).toMatchObject({ unpack: false });
    expect(plain).not.toHaveProperty("unpack");
  });

  it("ENV and LABEL in both forms", () => {
    const [env, label] = commands('ENV a="b c" d=', "LABEL k some text");
    expect(env).toMatchObject({
      env: [
        { key: "a", value: '"b c"', legacy: false },
        { key: "d", value: "", legacy: false },
      ],
    });
    expect(label).toMatchObject({ labels: [{ key: "k", value: "some text", legacy: true }] });
  });

  it("ARG tells no default from an empty one", () => {
    expect(commands("# b says it\nARG a b= c=x")[0]).toMatchObject({
      args: [{ key: "a" }, { key: "b", value: "", doc: "says it" }, { key: "c", value: "x" }],
    });
  });

  it("ENTRYPOINT [] clears, CMD [] is empty", () => {
    const [entrypoint, cmd] = commands("ENTRYPOINT []", "CMD []");
    expect(entrypoint).toMatchObject({ command: { args: null, shellForm: false } });
    expect(cmd).toMatchObject({ command: { args: [] } });
  });

  it("HEALTHCHECK", () => {
    const [check, none] = commands("HEALTHCHECK --interval=1m30s --retries=3 CMD curl x", "HEALTHCHECK none");
    expect(check).toMatchObject({ health: { test: ["CMD-SHELL", "curl x"], intervalNs: 90e9, retries: 3 } });
    expect(none).toMatchObject({ health: { test: ["NONE"] } });
  });

  it("ONBUILD keeps its text, which can be read again", () => {
    const [onbuild] = commands("ONBUILD  RUN <<EOF\nx\nEOF");
    if (onbuild?.kind !== "onbuild") throw new Error("expected ONBUILD");
    expect(onbuild.expression).toBe("RUN <<EOF\nx\nEOF");
    expect(parseTrigger(onbuild.expression, { file: "image" })).toMatchObject({
      kind: "run",
      command: { files: [{ name: "EOF", data: "x\n" }] },
    });
    expect(() => parseTrigger("FROM x", { file: "image" })).toThrow("not allowed");
    expect(() => parseTrigger("RUN x\nRUN y", { file: "image" })).toThrow("has several");
  });
});
