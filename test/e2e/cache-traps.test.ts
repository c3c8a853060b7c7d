/** Where other builders reuse what they should not, or nothing that they could (FEATURES 10, "Keys and cache"): builds in pairs. */
import { chmodSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: traps of caches: ${reason}`);

describe.skipIf(reason !== undefined)("hits and misses", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  /** Builds; the steps that ran, by the text of their instruction. */
  async function ran(folder: string, ...flags: readonly string[]): Promise<string[]> {
    const log = await world.build(folder, "-t", "traps", ...flags);
    const steps = [...log.matchAll(/^#(\d+) \[(?:\S+ )?\d+\/\d+\] ((?:RUN|COPY) .*)$/gm)];
    return steps
      .filter(([, id]) => !new RegExp(`^#${id} CACHED`, "m").test(log))
      .map(([, , text]) => text ?? "");
  }

  const inside = (...words: readonly string[]): Promise<string> => world.inside("traps", ...words);

  test("COPY --from: by content after another stage changed, and never through the ignore file", async () => {
    const folder = world.context("stages", {
      Dockerfile: [
        "FROM busybox AS made",
        "ARG REV",
        "ARG LOG=same",
        "RUN mkdir /o && echo $LOG > /o/x.log && echo $REV > /rev",
        "FROM busybox",
        "COPY --from=made /o /o",
        "RUN cat /o/x.log > /copy",
      ].join("\n"),
      ".dockerignore": "**/*.log\n",
    });
    expect(await ran(folder, "--build-arg", "REV=1")).toHaveLength(3);
    // The stage runs, what is copied of it is the same: from there on everything is found again.
    expect(await ran(folder, "--build-arg", "REV=2")).toEqual([
      expect.stringMatching(/^RUN mkdir .* echo 2/),
    ]);
    expect(await ran(folder, "--build-arg", "REV=2", "--build-arg", "LOG=other")).toHaveLength(3);
    expect(await inside("cat", "/copy")).toBe("other\n");
  });

  test("--no-cache empties the cache mounts of a step, a comment that asks for it in every build does not", async () => {
    const step = "RUN --mount=type=cache,target=/c echo line >> /c/log && cp /c/log /log";
    const folder = world.context("mounts", { Dockerfile: `FROM busybox\n${step}\n` });
    expect(await ran(folder)).toEqual([step]);
    expect(await ran(folder)).toEqual([]);
    expect(await ran(folder, "--no-cache")).toEqual([step]);
    expect(await inside("cat", "/log")).toBe("line\n");
    writeFileSync(`${folder}/Dockerfile`, `FROM busybox\n# tsbuild: no-cache\n${step}\n`);
    expect(await ran(folder)).toEqual([step]);
    expect(await inside("cat", "/log")).toBe("line\nline\n");
  });

  test("of a context: names, bytes and modes count, times do not, and no edit hides behind them", async () => {
    const folder = world.context("context", { Dockerfile: "FROM busybox\nCOPY src /src\n", "src/ab": "c" });
    const file = `${folder}/src/ab`;
    const copy = ["COPY src /src"];
    expect(await ran(folder)).toEqual(copy);
    utimesSync(file, 1, 1);
    expect(await ran(folder)).toEqual([]);
    chmodSync(file, 0o600);
    expect(await ran(folder)).toEqual(copy);
    const { atime, mtime } = statSync(file);
    writeFileSync(file, "d");
    utimesSync(file, atime, mtime);
    expect(await ran(folder)).toEqual(copy);
    expect(await inside("cat", "/src/ab")).toBe("d");
    // A name must not run into what its neighbour holds.
    const other = world.context("other", { Dockerfile: "FROM busybox\nCOPY src /src\n", "src/a": "bd" });
    chmodSync(`${other}/src/a`, 0o600);
    expect(await ran(other)).toEqual(copy);
    expect(await inside("ls", "/src")).toBe("a\n");
  });
});
