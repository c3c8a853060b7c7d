import { execFileSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DiffId, Digest } from "@tsbuild/base";
import type { CommittedImage } from "@tsbuild/export";
import { http, image, local } from "@tsbuild/llb";
import { SecretMask } from "@tsbuild/ops";
import { expect, onTestFinished, test } from "vitest";
import type { BuildRequest } from "../src/api.ts";
import { buildFacts, type FactSources } from "../src/attest/build-facts.ts";
import { commitDigest, materialsOf } from "../src/attest/materials.ts";
import { provenanceOptions } from "../src/attest/options.ts";
import { provenance } from "../src/attest/slsa.ts";
import { readVcs, vcsLabels } from "../src/attest/vcs.ts";
import { type CompleteRequest, completeRequest } from "../src/complete-request.ts";

const DIGEST = `sha256:${"a".repeat(64)}` as Digest;
const COMMIT = "b".repeat(40);
const AMD = { os: "linux", architecture: "amd64" };
const TEXT = "FROM debian\nRUN make\n";

function request(over: Partial<BuildRequest> = {}): CompleteRequest {
  return completeRequest({
    context: { type: "folder", path: "." },
    buildArgs: { TOKEN: "visible-in-max" },
    labels: { l: "v" },
    ...over,
  });
}

function graph() {
  const base = image(`docker.io/library/debian:bookworm@${DIGEST}`, { platform: AMD });
  const run = base.run({
    args: ["/bin/sh", "-c", "echo the-secret"],
    secrets: [{ id: "pw", dest: "/s", mode: 0o400 }],
  });
  return run.toGraph({ file: "Dockerfile", language: "Dockerfile", text: TEXT });
}

function sources(attrs: Readonly<Record<string, string>>, over: Partial<FactSources> = {}): FactSources {
  const asked = request();
  const secret = { value: Buffer.from("the-secret"), invalidate: false };
  const committed = {
    layers: [{ diffId: DIGEST as string as DiffId, sizeBytes: 7, folder: "" }],
  } as unknown as CommittedImage;
  return {
    options: provenanceOptions({ type: "provenance", attrs }),
    prepared: {
      request: asked,
      dockerfile: { file: "sub/Dockerfile", text: TEXT, ignore: undefined },
      contexts: new Map(),
      contextIgnores: {},
      includedFiles: {},
    },
    graph: graph(),
    image: committed,
    found: { apply: (source) => source, valueOf: () => undefined },
    startedAt: 0,
    finishedAt: 1000,
    invocationId: "id",
    vcs: { revision: COMMIT },
    args: { TOKEN: "visible-in-max" },
    hide: (text) => new SecretMask([secret]).text(text),
    ...over,
  };
}

test("min tells what went in and when, and nothing that may give something away (X032)", () => {
  const { predicateType, predicate } = provenance(buildFacts(sources({ "builder-id": "https://me" })));
  expect(predicateType).toBe("https://slsa.dev/provenance/v1");
  expect(predicate).toMatchObject({
    buildDefinition: {
      externalParameters: { configSource: { path: "Dockerfile" }, request: { frontend: "dockerfile.v0" } },
      resolvedDependencies: [
        { uri: "pkg:docker/debian@bookworm?platform=linux%2Famd64", digest: { sha256: "a".repeat(64) } },
      ],
    },
    runDetails: {
      builder: { id: "https://me" },
      metadata: {
        startedOn: "1970-01-01T00:00:00.000Z",
        finishedOn: "1970-01-01T00:00:01.000Z",
        buildkit_completeness: { request: false, resolvedDependencies: false },
        buildkit_hermetic: false,
      },
    },
  });
  const text = JSON.stringify(predicate);
  for (const hidden of ["visible-in-max", "the-secret", "pw", "echo"]) expect(text).not.toContain(hidden);
});

test("max has arguments, steps, the Dockerfile and layers; values of secrets never", () => {
  const { predicate } = provenance(buildFacts(sources({ mode: "max" })));
  expect(predicate).toMatchObject({
    buildDefinition: {
      externalParameters: {
        request: { args: { "build-arg:TOKEN": "visible-in-max", "label:l": "v" }, secrets: [{ id: "pw" }] },
      },
      internalParameters: {
        buildConfig: {
          llbDefinition: [{ id: "step0" }, { id: "step1", inputs: ["step0:0"] }, { inputs: ["step1:0"] }],
        },
      },
    },
    runDetails: {
      metadata: {
        buildkit_completeness: { request: true },
        buildkit_metadata: {
          vcs: { revision: COMMIT },
          source: { infos: [{ filename: "Dockerfile", data: Buffer.from(TEXT).toString("base64") }] },
          layers: { "step1:0": [[{ digest: DIGEST, size: 7 }]] },
        },
      },
    },
  });
  expect(JSON.stringify(predicate)).not.toContain("the-secret");
});

test("no password of a URL is told, neither in steps nor in the Dockerfile", () => {
  const text = "FROM scratch\nADD https://me:hunter2@h/f /\n";
  const { predicate } = provenance(
    buildFacts(
      sources(
        { mode: "max" },
        {
          graph: http("https://me:hunter2@h/f", { filename: "f", checksum: "" }).toGraph({
            file: "Dockerfile",
            language: "Dockerfile",
            text,
          }),
        },
      ),
    ),
  );
  const told = JSON.stringify(predicate);
  expect(told).toContain('"identifier":"https://***@h/f"');
  expect(told).not.toContain("hunter2");
  const shown = text.replace("me:hunter2", "***");
  expect(told).toContain(Buffer.from(shown).toString("base64"));
});

test("v0.2 says the same in its own words (X031)", () => {
  const options = { version: "v0.2", mode: "max", reproducible: "true", filename: "p.json" };
  const { predicateType, predicate, fileName } = provenance(buildFacts(sources(options)));
  expect([predicateType, fileName]).toEqual(["https://slsa.dev/provenance/v0.2", "p.json"]);
  expect(predicate).toMatchObject({
    buildType: "https://mobyproject.org/buildkit@v1",
    materials: [{ digest: { sha256: "a".repeat(64) } }],
    invocation: { configSource: { entryPoint: "Dockerfile" }, environment: { platform: expect.any(String) } },
    metadata: { reproducible: true, completeness: { parameters: true, environment: true, materials: false } },
  });
});

test("a context from git is the config source and a material, by its commit", () => {
  const asked = request({ context: { type: "remote", url: "https://me:pass@example.com/r.git#main" } });
  const given = sources({});
  const facts = buildFacts({
    ...given,
    prepared: { ...given.prepared, request: asked, contextValue: COMMIT },
  });
  const place = { uri: "https://example.com/r.git#main", digest: { sha1: COMMIT } };
  expect(facts.config).toEqual({ ...place, path: "Dockerfile" });
  expect(facts.materials[0]).toEqual(place);
});

test("steps of a fetched context take their files from where it came", () => {
  const contextSource = {
    identifier: "git://example.com/r.git#main",
    attrs: { "git.fullurl": "https://me:pass@example.com/r.git" },
  };
  const stepsOf = (name: string, over: Partial<FactSources["prepared"]>) => {
    const given = sources({ mode: "max" }, { graph: local(name).toGraph() });
    return buildFacts({ ...given, prepared: { ...given.prepared, ...over } }).definition?.llbDefinition[0];
  };
  const shown = { ...contextSource, attrs: { "git.fullurl": "https://***@example.com/r.git" } };
  expect(stepsOf("context", { contextSource })).toMatchObject({ op: { Op: { source: shown } } });
  for (const step of [stepsOf("context", {}), stepsOf("other", { contextSource })])
    expect(step).toMatchObject({ op: { Op: { source: { identifier: expect.stringMatching(/^local:/) } } } });
});

test("the folder of a fetched context is not a folder of this machine, one that was named is", () => {
  const remote = request({ context: { type: "remote", url: "https://example.com/r.git" } });
  const given = sources({});
  const factsOf = (asked: CompleteRequest, name: string) =>
    buildFacts({
      ...given,
      graph: local(name).toGraph(),
      prepared: { ...given.prepared, request: asked, contextValue: COMMIT },
    });
  expect(factsOf(remote, "context")).toMatchObject({ materialsComplete: true });
  expect(factsOf(remote, "context").request.locals).toBeUndefined();
  for (const facts of [factsOf(request(), "context"), factsOf(remote, "other")])
    expect([facts.materialsComplete, facts.request.locals?.length]).toEqual([false, 1]);
});

test.each([
  [
    {
      identifier: "git://example.com/r.git#v1:sub",
      attrs: { "git.fullurl": "https://u:p@example.com/r.git" },
    },
    COMMIT,
    { uri: "https://example.com/r.git#v1", digest: { sha1: COMMIT } },
  ],
  [
    { identifier: "https://example.com/f.tar", attrs: {} },
    DIGEST,
    { uri: "https://example.com/f.tar", digest: { sha256: "a".repeat(64) } },
  ],
  [
    { identifier: `oci-layout://store/x@${DIGEST}`, attrs: {} },
    undefined,
    { uri: `pkg:oci/x@sha256%3A${"a".repeat(64)}`, digest: { sha256: "a".repeat(64) } },
  ],
  [{ identifier: "local://context", attrs: {} }, undefined, undefined],
])("the material of %j", (source, value, material) => {
  const one = {
    ...graph(),
    vertices: [{ digest: "sha256:x", op: { inputs: [], kind: { type: "source", ...source } }, metadata: {} }],
  };
  const found = { apply: (same: typeof source) => same, valueOf: () => value };
  expect(materialsOf(one as never, found as never)).toEqual(material === undefined ? [] : [material]);
});

test("commits of either hash are told apart", () => {
  expect(commitDigest("c".repeat(64))).toEqual({ sha256: "c".repeat(64) });
});

test.each([
  { mode: "all" },
  { version: "v2" },
  { reproducible: "maybe" },
  { filename: "../x.json" },
  { mod: "max" },
])("%j is refused", (attrs) => {
  expect(() => provenanceOptions({ type: "provenance", attrs: attrs as never })).toThrow(
    expect.objectContaining({ code: "TSB_USAGE" }),
  );
});

test("a repository tells revision and origin, and labels when asked (C056)", async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "tsbuild-vcs-")));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
      encoding: "utf8",
    }).trim();
  writeFileSync(join(folder, "Dockerfile"), TEXT);
  const asked = request({ context: { type: "folder", path: folder } });
  const env = { PATH: process.env["PATH"] };
  expect(await readVcs(asked, { ...env, GIT_CEILING_DIRECTORIES: tmpdir() })).toBeUndefined();
  git("init", "-q");
  git("remote", "add", "origin", "https://me:pass@example.com/r.git");
  git("add", ".");
  git("commit", "-qm", "first");
  const revision = git("rev-parse", "HEAD");
  const source = "https://example.com/r.git";
  expect(await readVcs(asked, env)).toEqual({ revision, source });
  expect(await readVcs(asked, { ...env, BUILDX_GIT_INFO: "false" })).toBeUndefined();
  writeFileSync(join(folder, "new"), "");
  expect(await readVcs(asked, { ...env, BUILDX_GIT_CHECK_DIRTY: "1" })).toEqual({
    revision: `${revision}-dirty`,
    source,
  });
  expect(await vcsLabels(asked, env)).toEqual({});
  expect(await vcsLabels(asked, { ...env, BUILDX_GIT_LABELS: "full" })).toEqual({
    "org.opencontainers.image.revision": revision,
    "org.opencontainers.image.source": source,
    "com.docker.image.source.entrypoint": "Dockerfile",
  });
});
