import { TsbuildError } from "@tsbuild/base";
import type { CompileRequest } from "@tsbuild/frontend";
import { expect, test } from "vitest";
import { builtInNotice, refuseForeignSyntax } from "../src/syntax.ts";

async function verdict(text: string, buildArgs: Readonly<Record<string, string>> = {}): Promise<string> {
  try {
    await refuseForeignSyntax({ file: "Dockerfile", text, buildArgs } as CompileRequest);
    return "ok";
  } catch (error) {
    if (error instanceof TsbuildError) return `${error.code} ${error.message}`;
    throw error;
  }
}

test.each([
  "docker/dockerfile:1",
  "docker.io/docker/dockerfile:1.7-labs",
  "docker/dockerfile-upstream:master",
  "mirror.example.com:5000/hub/docker/dockerfile:1",
  `docker/dockerfile:1@sha256:${"a".repeat(64)}`,
  "dockerfile.v0",
])("the frontend %s is built in", async (name) => {
  expect(await verdict(`# syntax=${name}\nFROM scratch\n`)).toBe("ok");
});

test("other frontends are refused, and the build argument wins over the file", async () => {
  expect(await verdict("# syntax=foo/bar\nFROM x\n")).toMatch(/^TSB_UNSUPPORTED the frontend "foo\/bar"/);
  expect(await verdict("FROM x\n")).toBe("ok");
  expect(await verdict("FROM x\n# syntax=foo/bar\n")).toBe("ok");
  expect(await verdict("FROM x\n", { BUILDKIT_SYNTAX: "foo/bar" })).toMatch(/BUILDKIT_SYNTAX/);
  expect(await verdict("# syntax=foo/bar\n", { BUILDKIT_SYNTAX: "docker/dockerfile:1" })).toBe("ok");
});

async function notice(text: string, buildArgs: Readonly<Record<string, string>> = {}) {
  return builtInNotice({ file: "Dockerfile", text, buildArgs } as CompileRequest);
}

test("a file that asks for a certain frontend is told that the built-in one reads it", async () => {
  const [warning, ...others] = await notice("# syntax=docker/dockerfile:1.7-labs\nFROM scratch\n");
  expect(others).toEqual([]);
  expect(warning).toMatchObject({ rule: "BuiltInFrontend", ranges: [{ start: 1, end: 1 }] });
  expect(warning?.message).toContain("docker/dockerfile:1.7-labs is not fetched");
  expect(await notice(`# syntax=docker/dockerfile:1@sha256:${"a".repeat(64)}\nFROM x\n`)).toHaveLength(1);
  const byArg = await notice("FROM x\n", { BUILDKIT_SYNTAX: "docker/dockerfile-upstream:master" });
  expect(byArg[0]?.ranges).toEqual([]);
});

test("versions get no notice, nor does a file without a frontend", async () => {
  for (const name of ["docker/dockerfile:1", "docker/dockerfile:1.7.1", "docker/dockerfile", "dockerfile.v0"])
    expect(await notice(`# syntax=${name}\nFROM x\n`)).toEqual([]);
  expect(await notice("FROM x\n")).toEqual([]);
});
