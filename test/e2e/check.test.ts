import { readFileSync } from "node:fs";
import { join } from "node:path";
import { unmarshalDefinition } from "@tsbuild/llb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, main, missing, run, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end checks: ${reason}`);

const DOCKERFILE = `# VERSION of everything
ARG VERSION=1
FROM busybox as base
ENV GREETING hello
ARG REVISION
RUN echo $PATH > /path
FROM base AS app
ARG VERSION
LABEL revision=$REVISION version=$VERSION
COPY secrets $NOWHERE /
RUN --mount=type=secret,id=key,required --mount=type=cache,target=/c,id=objects true
`;

describe.skipIf(reason !== undefined)("questions about a Dockerfile", () => {
  let world: World;
  let folder: string;
  beforeAll(async () => {
    world = new World();
    await importBusybox(world);
    folder = world.context("project", { Dockerfile: DOCKERFILE, ".dockerignore": "secrets\n" });
  });
  afterAll(() => world.close());

  test("check: rules of BuildKit and our own, with the config of the base image", async () => {
    const { code, stdout } = await world.tsbuild(["check", "--format=json", folder]);
    expect(code).toBe(1);
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { rule: string; lines: number[][] }[] };
    expect(diagnostics.map(({ rule, lines }) => `${rule} ${lines[0]?.[0]}`)).toEqual([
      "FloatingBaseTag 3",
      "FromAsCasing 3",
      "LegacyKeyValueFormat 4",
      "CopyIgnoredFile 10",
      "UndefinedVar 10",
    ]);
    const { code: ignored, stdout: text } = await world.tsbuild(["check", "--fail-on=error", folder]);
    expect(ignored).toBe(0);
    expect(text).toMatch(/Dockerfile:10\n.*>>> COPY secrets.*WARNING CopyIgnoredFile: /s);
  });

  test("check without the base image", async () => {
    const other = world.context("other", { Dockerfile: "FROM 127.0.0.1:9/x:1\nCOPY $HOME /\nCMD x\n" });
    const { code, stdout } = await world.tsbuild(["check", other]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/INFO: 127\.0\.0\.1:9\/x:1 cannot be had/);
    expect(stdout).toMatch(/1 warning, 1 remark\n$/);
  });

  test("check --fix", async () => {
    const file = join(world.context("fixed", { Dockerfile: DOCKERFILE }), "Dockerfile");
    const { stderr } = await world.tsbuild(["check", "--fix", file]);
    expect(stderr).toMatch(/fixed .*Dockerfile:3 FromAsCasing\n/);
    const repaired = DOCKERFILE.replace("busybox as", "busybox AS").replace(
      "GREETING hello",
      "GREETING=hello",
    );
    expect(readFileSync(file, "utf8")).toBe(repaired);
  });

  test("build --call", async () => {
    const outline = await world.ok(["build", "--call=outline", "--build-arg=VERSION=7", folder]);
    expect(outline.stdout).toMatch(/^TARGET: app\n/);
    expect(outline.stdout).toMatch(/VERSION +7 +of everything/);
    expect(outline.stdout).toMatch(/key +true/);
    expect(outline.stdout).toMatch(/objects +11/);
    const targets = await world.ok(["build", "--call=targets,format=json", folder]);
    expect(JSON.parse(targets.stdout).targets).toMatchObject([
      { name: "base", base: "busybox" },
      { name: "app", base: "base", default: true },
    ]);
    const check = await world.tsbuild(["build", "--check", folder]);
    expect([check.code, check.stdout]).toEqual([1, expect.not.stringContaining("FloatingBaseTag")]);
    const quiet = await world.tsbuild(["build", "--call=check,ignorestatus=true", folder]);
    expect(quiet.code).toBe(0);
  });

  test("graph, and its definition", async () => {
    const good = world.context("good", { Dockerfile: "FROM busybox\nCOPY a /a\nRUN cat /a\n", a: "a" });
    const { stdout } = await world.ok(["graph", good]);
    expect(stdout).toMatch(
      /^#4 exec {3}\[3\/3\] RUN cat \/a\n#3 file {3}\[2\/3\] COPY a \/a\n├─ copy: #2 source/,
    );
    const json = JSON.parse((await world.ok(["graph", "--format=json", good])).stdout);
    expect(json.ops).toHaveLength(4);
    const definition = world.path("definition.pb");
    const command = `"$0" "${main}" build --print=definition "${good}" > "${definition}"`;
    const env = { ...world.env, TSBUILD_ROOT: world.root };
    const cwd = join(import.meta.dirname, "../..");
    expect((await run("sh", ["-c", command, process.execPath], { cwd, env })).code).toBe(0);
    const { vertices } = unmarshalDefinition(readFileSync(definition));
    expect(vertices.map(({ op }) => op.kind.type)).toEqual(["source", "source", "file", "exec"]);
  });

  test("warnings of a build", async () => {
    const warned = world.context("warned", { Dockerfile: "FROM busybox\nENV A b\nMAINTAINER me\n" });
    const log = await world.build(warned, "-o", "type=cacheonly");
    expect(log).toContain("2 warnings:\n");
    expect(log).toMatch(/ - LegacyKeyValueFormat: .*Dockerfile:2\)\n {3}https:\/\//);
    expect(log).not.toContain("FloatingBaseTag");
  });
});
