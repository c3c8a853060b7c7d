import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Diagnostic, Inspection } from "@tsbuild/engine";
import { afterAll, describe, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { type FakeWorld, fakeWorld, type WorldOptions } from "./fake-io.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-check-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "Dockerfile");

const warning: Diagnostic = {
  severity: "warning",
  rule: "MaintainerDeprecated",
  message: "MAINTAINER, 100%",
  url: "https://example.com/rule",
  ranges: [{ start: 2, end: 2 }],
};
const remark: Diagnostic = { severity: "info", message: "no base image", ranges: [] };
const mistake: Diagnostic = {
  severity: "error",
  message: "it is wrong",
  hint: "correct it",
  ranges: [{ start: 1, end: 1 }],
  column: 6,
};

/** An inspection of a file as it is on disk, with these findings as long as it has a MAINTAINER. */
function inspection(...diagnostics: Diagnostic[]): Inspection {
  const unused = () => Promise.reject(new Error("not asked for"));
  const text = () => readFileSync(file, "utf8");
  return {
    file,
    text: "",
    check: async () => ({
      file,
      text: text(),
      diagnostics: diagnostics.filter(({ rule }) => rule === undefined || text().includes("MAINTAINER")),
    }),
    outline: unused,
    targets: unused,
    compile: unused,
    plan: () => Promise.reject(new Error("not asked for")),
  };
}

async function check(args: string[], options: WorldOptions = {}): Promise<FakeWorld & { status: number }> {
  writeFileSync(file, "FROM a\nMAINTAINER me\n");
  const world = fakeWorld(options);
  const status = await runCli(["check", ...args], world);
  return Object.assign(world, { status });
}

describe("check", () => {
  test("text: each finding with its lines, and a sum", async () => {
    const world = await check([folder], { inspection: inspection(remark, mistake, warning) });
    expect(world.stdout.text).toBe(`INFO: no base image

${file}:1:6
--------------------
   1 | >>> FROM a
     |          ^
   2 |     MAINTAINER me
--------------------
ERROR: it is wrong
hint: correct it

${file}:2
--------------------
   1 |     FROM a
   2 | >>> MAINTAINER me
--------------------
WARNING MaintainerDeprecated: MAINTAINER, 100%
https://example.com/rule

${file}: 1 error, 1 warning, 1 remark
`);
    expect(world.status).toBe(1);
    expect(world.engine.closed).toBe(true);
  });

  test("nothing found", async () => {
    const world = await check([folder], { inspection: inspection() });
    expect([world.status, world.stdout.text]).toEqual([0, `${file}: nothing found\n`]);
  });

  test.each([
    [["info"], [remark], 1],
    [["warning"], [remark], 0],
    [["warning"], [warning], 1],
    [["error"], [warning, remark], 0],
    [["error"], [mistake], 1],
    [["never"], [mistake], 0],
    [[], [remark], 0],
  ] as const)("--fail-on %s", async ([failOn], found, status) => {
    const args = failOn === undefined ? [folder] : ["--fail-on", failOn, folder];
    expect((await check(args, { inspection: inspection(...found) })).status).toBe(status);
  });

  test("PATH may be the Dockerfile, and is the working folder when it is not given", async () => {
    const named = await check([file], { inspection: inspection() });
    expect(named.engine.requests[0]).toMatchObject({
      context: { type: "folder", path: folder },
      dockerfile: file,
    });
    const none = await check([], { inspection: inspection() });
    expect(none.engine.requests[0]!.context).toEqual({ type: "folder", path: "." });
    expect((await check(["a", "b"])).status).toBe(2);
  });

  test("github", async () => {
    const world = await check(["--format", "github", folder], { inspection: inspection(mistake, warning) });
    const place = file.replaceAll(":", "%3A").replaceAll(",", "%2C");
    expect(world.stdout.text).toBe(
      `::error file=${place},line=1,endLine=1,col=6::it is wrong%0Acorrect it\n` +
        `::warning file=${place},line=2,endLine=2,title=MaintainerDeprecated::MAINTAINER, 100%25\n`,
    );
  });

  test("json", async () => {
    const world = await check(["--format=json", folder], { inspection: inspection(warning) });
    expect(JSON.parse(world.stdout.text)).toEqual({
      file,
      diagnostics: [
        {
          severity: "warning",
          rule: "MaintainerDeprecated",
          message: "MAINTAINER, 100%",
          url: "https://example.com/rule",
          lines: [[2, 2]],
        },
      ],
    });
  });

  test("sarif: rules are described once, each result has its place", async () => {
    const all = inspection(remark, mistake, warning, warning);
    const world = await check(["--format", "sarif", folder], { inspection: all });
    const { version, runs } = JSON.parse(world.stdout.text);
    expect(version).toBe("2.1.0");
    expect(runs[0].tool.driver).toMatchObject({ name: "tsbuild", version: expect.stringMatching(/^\d/) });
    expect(runs[0].tool.driver.rules.map((rule: { id: string }) => rule.id)).toEqual([
      "DockerfileError",
      "MaintainerDeprecated",
    ]);
    expect(runs[0].tool.driver.rules[1].shortDescription.text).toContain("MAINTAINER");
    const results = runs[0].results as { level: string; ruleId: string; locations: unknown }[];
    expect(results.map(({ level, ruleId }) => `${level} ${ruleId}`)).toEqual([
      "note DockerfileError",
      "error DockerfileError",
      "warning MaintainerDeprecated",
      "warning MaintainerDeprecated",
    ]);
    expect(results[1]!.locations).toEqual([
      {
        physicalLocation: {
          artifactLocation: { uri: file },
          region: { startLine: 1, endLine: 1, startColumn: 6 },
        },
      },
    ]);
  });

  test("--fix repairs the file and reports what is left", async () => {
    const world = await check(["--fix", folder], { inspection: inspection(remark, warning) });
    expect(readFileSync(file, "utf8")).toBe('FROM a\nLABEL org.opencontainers.image.authors="me"\n');
    expect(world.stderr.text).toBe(`fixed ${file}:2 MaintainerDeprecated\n`);
    expect([world.status, world.stdout.text]).toEqual([0, `INFO: no base image\n\n${file}: 1 remark\n`]);
  });

  test("--fix leaves a file alone that is not UTF-8, and standard input", async () => {
    const latin = {
      ...inspection(warning),
      check: async () => ({ file, text: "FROM a\nMAINTAINER \uFFFD\n", diagnostics: [warning] }),
    };
    const world = await check(["--fix", folder], { inspection: latin });
    expect([world.status, world.stderr.text]).toEqual([1, expect.stringContaining("UTF-8")]);
    expect(readFileSync(file, "utf8")).toBe("FROM a\nMAINTAINER me\n");
    expect((await check(["--fix", "-"], { stdin: "FROM a\n" })).status).toBe(2);
  });

  test("wrong words of flags", async () => {
    expect((await check(["--format", "xml", folder])).stderr.text).toContain("text, json, sarif, github");
    expect((await check(["--fail-on", "x", folder])).status).toBe(2);
  });
});
