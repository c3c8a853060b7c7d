import { sourcePlace } from "@tsbuild/llb";
import { describe, expect, test } from "vitest";
import type { CompileRequest } from "../src/api.ts";
import { failure, run } from "./support/compiling.ts";

const COMMON = {
  file: "common/Dockerfile",
  text: "FROM base AS tools\nENV A=1\nRUN make\nFROM tools\nCOPY x /x\n",
};

function including(more: Partial<typeof COMMON & { target: string }> = {}): Partial<CompileRequest> {
  return {
    namedContexts: { common: "dockerfile:common" },
    includedFiles: { common: { ...COMMON, ...more } },
  };
}

function names({ platforms }: Awaited<ReturnType<typeof run>>): (string | undefined)[] {
  return platforms[0]!.graph.vertices.map(({ metadata }) => metadata.name);
}

describe("a stage of another Dockerfile stands in for an image (W020)", () => {
  test("with its config and steps, on its own folder, and each step knows its file and lines", async () => {
    const compiled = await run("FROM common\nRUN test\nCOPY y /y\n", including());
    const [{ graph, image } = {} as never] = compiled.platforms;
    expect(image.config?.Env).toContain("A=1");
    expect(names(compiled)).toEqual([
      "[common/tools 1/2] FROM docker.io/library/base:latest",
      "[common/tools 2/2] RUN make",
      "[context common] load from client",
      "[common/stage-1 1/1] COPY x /x",
      "[1/3] RUN test",
      "[internal] load build context",
      "[2/3] COPY y /y",
    ]);
    const places = graph.vertices.map(({ digest }) => {
      const place = sourcePlace(graph, digest);
      return place && `${place.source.file}:${place.ranges[0]!.start}`;
    });
    expect(places).toEqual([
      "common/Dockerfile:1",
      "common/Dockerfile:3",
      undefined,
      "common/Dockerfile:5",
      "build/Dockerfile:2",
      undefined,
      "build/Dockerfile:3",
    ]);
  });

  test("the stage that is named, for --from as well; arguments are one set, and none of them is unused", async () => {
    const file = { text: "FROM base AS a\nARG V\nRUN echo $V\nFROM base AS b\nRUN b\n", target: "a" };
    const compiled = await run("FROM base\nCOPY --from=common /x /x\n", {
      ...including(file),
      buildArgs: { V: "7" },
    });
    expect(names(compiled).filter((name) => name?.startsWith("[common"))).toEqual([
      "[common/a 1/2] FROM docker.io/library/base:latest",
      "[common/a 2/2] RUN echo 7",
    ]);
    expect(compiled.warnings).toEqual([]);
  });

  test("is compiled once, however many stages use it", async () => {
    const compiled = await run("FROM common AS one\nFROM common\nCOPY --from=one /x /z\n", including());
    expect(names(compiled).filter((name) => name?.includes("RUN make"))).toHaveLength(1);
  });

  test("in a file that stands in for a name, the name is what it always was", async () => {
    const compiled = await run("FROM base\nRUN x\n", {
      namedContexts: { base: "dockerfile:base" },
      includedFiles: { base: { file: "base/Dockerfile", text: "FROM base\nRUN own\n" } },
    });
    expect(names(compiled)[0]).toBe("[base 1/2] FROM docker.io/library/base:latest");
  });

  test("files that stand in for one another end at the first name that is met again", async () => {
    const compiled = await run("FROM a\n", {
      namedContexts: { a: "dockerfile:a", b: "dockerfile:b" },
      includedFiles: { a: { file: "a", text: "FROM b\nRUN a\n" }, b: { file: "b", text: "FROM a\nRUN b\n" } },
    });
    expect(names(compiled)[0]).toContain("FROM docker.io/library/a:latest");
  });

  test.each([
    [
      "FROM base\nRUNN x\n",
      undefined,
      { source: { file: "common/Dockerfile", ranges: [{ start: 2, end: 2 }] } },
    ],
    [
      "# nothing\n",
      undefined,
      {
        message: expect.stringContaining("no instruction in this file"),
        source: { file: "common/Dockerfile" },
      },
    ],
    [
      "FROM base AS build\n",
      "buidl",
      { message: expect.stringContaining('no stage "buidl"'), hint: "did you mean build?" },
    ],
  ])("a mistake in it is told with its own place: %j", async (text, target, expected) => {
    const file = including({ text, ...(target === undefined ? {} : { target }) });
    expect(await failure(run("FROM common\n", file))).toMatchObject(expected);
  });
});
