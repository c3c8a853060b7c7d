import { describe, expect, test } from "vitest";
import type { Compiled } from "../src/api.ts";
import { amd64, DIGEST, failure, Resolver, run } from "./support/compiling.ts";

describe("stages of the result", () => {
  test("those it stands on, with where their history begins, and those it does not need", async () => {
    const text = [
      "FROM debian AS first",
      "RUN a",
      "ENV A=1",
      "FROM debian AS Test",
      "RUN b",
      "FROM first",
      "RUN c",
      "FROM alpine",
      "COPY --from=2 /x /x",
    ].join("\n");
    const history = [{ created_by: "base" }, { created_by: "CMD", empty_layer: true }];
    const config = { ...amd64, rootfs: { type: "layers", diff_ids: [DIGEST as never] }, history } as const;
    const known = { "docker.io/library/debian:latest": { config: structuredClone(config) as never } };
    const { platforms } = await run(text, { target: "2" }, new Resolver(known));
    expect(platforms[0]).toMatchObject({
      stages: [
        { name: "first", index: 0, entriesBefore: 2 },
        { index: 2, entriesBefore: 4 },
      ],
      skippedStages: ["test", "3"],
    });
    expect((await run(text)).platforms[0]?.skippedStages).toEqual(["test"]);
  });
});

describe("variables in --from", () => {
  const text = (pragma: string) =>
    [
      "ARG TOOLS=alpine:3",
      "ARG STAGE=first",
      "FROM debian AS first",
      "FROM debian",
      "ARG TOOLS=busybox",
      pragma,
      "COPY --from=$TOOLS /x /x",
      pragma,
      "COPY --from=${STAGE} /y /y",
    ].join("\n");
  const names = ({ platforms }: Compiled) =>
    platforms[0]?.graph.vertices.flatMap(({ op: { kind } }) =>
      kind.type === "source" ? [kind.identifier] : [],
    );

  test("are refused, and with the comment those of the ARGs before the first FROM", async () => {
    expect(await failure(run(text("# nothing")))).toMatchObject({
      message: expect.stringContaining("--from=$TOOLS has a variable"),
      hint: expect.stringContaining("# tsbuild: expand-from"),
    });
    const expanded = await run(text("# tsbuild: expand-from"), { buildArgs: { TOOLS: "alpine:4" } });
    expect(names(expanded)?.sort()).toEqual([
      "docker-image://docker.io/library/alpine:4",
      "docker-image://docker.io/library/debian:latest",
    ]);
  });

  test("of mounts are refused, and expanded with the comment", async () => {
    const mounts = "RUN --mount=type=bind,from=$TOOLS,target=/t --mount=from=${STAGE},target=/s true";
    const withComment = (comment: string) =>
      [
        "ARG TOOLS=alpine:3",
        "ARG STAGE=first",
        "FROM scratch AS first",
        "COPY x /x",
        "FROM debian",
        comment,
        mounts,
      ].join("\n");
    expect(await failure(run(withComment("# nothing")))).toMatchObject({
      message: expect.stringContaining("from=$TOOLS has a variable"),
      hint: expect.stringContaining("# tsbuild: expand-from"),
    });
    const compiled = await run(withComment("# tsbuild: expand-from"), { buildArgs: { TOOLS: "alpine:4" } });
    expect(names(compiled)?.sort()).toEqual([
      "docker-image://docker.io/library/alpine:4",
      "docker-image://docker.io/library/debian:latest",
      "local://context",
    ]);
    expect(
      await failure(run(withComment("# tsbuild: expand-from"), { buildArgs: { TOOLS: "" } })),
    ).toMatchObject({
      message: "--from=$TOOLS names no stage and no image: it is empty",
    });
    expect(compiled.warnings.filter(({ rule }) => rule === "ExpandedFrom")).toHaveLength(0);
  });

  test("that are empty, or not declared", async () => {
    const wrong = "ARG TOOLS\nFROM debian\n# tsbuild: expand-from\nCOPY --from=$TOLS /x /x\n";
    expect(await failure(run(wrong))).toMatchObject({
      message: "--from=$TOLS names no stage and no image: it is empty",
    });
    const named = "ARG TOOLS=a\nFROM debian\n# tsbuild: expand-from\nCOPY --from=$TOLS /x /x\n";
    expect((await failure(run(named))).hint).toBe("did you mean TOOLS?");
  });
});
