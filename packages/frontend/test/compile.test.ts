import { TsbuildError } from "@tsbuild/base";
import { graphFromJson, graphToJson, marshalGraph, unmarshalDefinition } from "@tsbuild/llb";
import type { ImageConfig } from "@tsbuild/oci";
import { describe, expect, test } from "vitest";
import type { Compiled, CompileRequest } from "../src/api.ts";
import { dumpGraph } from "../src/index.ts";
import { amd64, arm64, DIGEST, failure, Resolver, run } from "./support/compiling.ts";

/** Identifiers of all sources with their attributes. */
function sources(compiled: Compiled): Record<string, unknown> {
  const kinds = compiled.platforms[0]!.graph.vertices.map(({ op }) => op.kind);
  return Object.fromEntries(
    kinds.flatMap((kind) => (kind.type === "source" ? [[kind.identifier, kind.attrs]] : [])),
  );
}

describe("errors", () => {
  const cases: readonly [string, string, Partial<CompileRequest>, object][] = [
    ["no stage", "ARG a\n", {}, { message: expect.stringContaining("no stage") }],
    ["a wrong target", "FROM a AS build\n", { target: "buid" }, { hint: "did you mean build?" }],
    [
      "an empty FROM",
      "ARG BASE\nFROM $BASE\n",
      {},
      { source: { ranges: [{ start: 2, end: 2 }], file: "build/Dockerfile" } },
    ],
    [
      "a mistyped variable of --platform",
      "FROM --platform=$BUILDPLATFROM a\n",
      {},
      { hint: "did you mean BUILDPLATFORM?" },
    ],
    [
      "an invalid platform",
      "FROM --platform=a/b/c/d a\n",
      {},
      { hint: expect.stringContaining("linux/amd64") },
    ],
    [
      "a copy from a later stage",
      "FROM a\nCOPY --from=b \\\n x /x\nFROM a AS b\n",
      { target: "0" },
      { source: { ranges: [{ start: 2, end: 3 }] }, hint: expect.stringContaining("above") },
    ],
    [
      "a variable in --from",
      "FROM a\nARG v=x\nCOPY --from=$v x /x\n",
      {},
      { source: { ranges: [{ start: 3, end: 3 }] }, hint: expect.stringContaining("AS name") },
    ],
    ["a mount at /", "FROM a\nRUN --mount=target=/ x\n", {}, { source: { ranges: [{ start: 2, end: 2 }] } }],
    ["a signal", "FROM a\nSTOPSIGNAL SIGTRM\n", {}, { hint: "did you mean SIGTERM?" }],
    ["a port", "FROM a\nEXPOSE 70000\n", {}, { message: expect.stringContaining("0 to 65535") }],
    ["a port range", "FROM a\nEXPOSE 20-10\n", {}, { message: expect.stringContaining("before it starts") }],
    ["a protocol", "FROM a\nEXPOSE 20/http\n", {}, { message: expect.stringContaining("protocol") }],
    ["a mode", "FROM a\nCOPY --chmod=9 x /x\n", {}, { hint: expect.stringContaining("octal") }],
    ["a volume", "FROM a\nVOLUME $none\n", {}, { message: expect.stringContaining("VOLUME") }],
    ["a URL in COPY", "FROM a\nCOPY https://h/x /x\n", {}, { hint: "use ADD" }],
    [
      "a checksum",
      "FROM a\nADD --checksum=sha256:12 https://h/x /x\n",
      {},
      { hint: expect.stringContaining("64 hex digits") },
    ],
    [
      "contradicting git options",
      "FROM a\nADD --keep-git-dir=false https://h/r.git?keep-git-dir=true /x\n",
      {},
      { message: expect.stringContaining("keep-git-dir") },
    ],
    [
      "a git query",
      "FROM a\nADD https://h/r.git?rev=1 /x\n",
      {},
      { hint: expect.stringContaining("known: ref") },
    ],
    [
      "a named context",
      "FROM a\nCOPY --from=x a /\n",
      { namedContexts: { x: "ftp://h" } },
      { hint: expect.stringContaining("docker-image://") },
    ],
    [
      "an epoch",
      "FROM a\n",
      { buildArgs: { SOURCE_DATE_EPOCH: "today" } },
      { hint: expect.stringContaining("seconds") },
    ],
    [
      "an ignore file",
      "FROM a\nCOPY . /\n",
      { ignore: { file: ".dockerignore", text: "a\n!\n" } },
      { source: { file: ".dockerignore", ranges: [{ start: 2, end: 2 }] } },
    ],
  ];

  test.each(cases)("point at %s", async (_, text, more, expected) => {
    const error = await failure(run(text, more));
    expect(error).toMatchObject({ code: "TSB_DOCKERFILE", ...expected });
  });

  test("of the resolver keep their code and get the line of the FROM", async () => {
    const denied = new TsbuildError("TSB_AUTH", "denied");
    const resolver = new Resolver({ "docker.io/library/alpin:latest": denied });
    const error = await failure(run("FROM scratch AS x\n\nFROM alpin\n", {}, resolver));
    expect(error).toMatchObject({
      code: "TSB_AUTH",
      hint: "did you mean alpine?",
      source: { file: "build/Dockerfile", ranges: [{ start: 3, end: 3 }] },
    });
  });

  test("in a trigger of an image point at the FROM", async () => {
    const config = {
      ...amd64,
      config: { OnBuild: ["RNU x"] },
      rootfs: { type: "layers" as const, diff_ids: [] },
    };
    const error = await failure(
      run("FROM scratch AS y\nFROM a\n", {}, new Resolver({ "docker.io/library/a:latest": { config } })),
    );
    expect(error).toMatchObject({ code: "TSB_DOCKERFILE", source: { ranges: [{ start: 2, end: 2 }] } });
    expect(error.message).toContain("RNU x");
  });
});

describe("the resolver", () => {
  test("is asked once per image and platform, for what the target needs only", async () => {
    const text = "FROM a AS x\nFROM unused\nFROM a\nCOPY --from=x / /\nCOPY --from=b / /b\n";
    const resolver = new Resolver({ "docker.io/library/a:latest": { digest: DIGEST } });
    const compiled = await run(text, { platforms: [amd64, arm64] }, resolver);
    expect(resolver.asked.sort()).toEqual([
      "docker.io/library/a:latest amd64",
      "docker.io/library/a:latest arm64",
      "docker.io/library/b:latest amd64",
      "docker.io/library/b:latest arm64",
    ]);
    expect(compiled.images).toEqual([
      { name: "docker.io/library/a:latest", platform: amd64, digest: DIGEST },
      { name: "docker.io/library/a:latest", platform: arm64, digest: DIGEST },
      { name: "docker.io/library/b:latest", platform: amd64 },
      { name: "docker.io/library/b:latest", platform: arm64 },
    ]);
    expect(Object.keys(sources(compiled))).toContain(`docker-image://docker.io/library/a:latest@${DIGEST}`);
  });

  test("decides the platform when nobody asks for one and the image is for the build platform only", async () => {
    const config = { ...amd64, config: {}, rootfs: { type: "layers" as const, diff_ids: [DIGEST as never] } };
    const answers = { "docker.io/library/a:latest": { config } };
    const compiled = await run("FROM a\nRUN x\n", { platforms: [arm64] }, new Resolver(answers));
    expect(compiled.warnings.map(({ rule }) => rule)).toEqual(["InvalidBaseImagePlatform"]);
    expect(compiled.platforms[0]!.image).toMatchObject({ architecture: "arm64" });
  });
});

describe("the result", () => {
  const text = "FROM a\nENV A=1\nWORKDIR /w\nCOPY --link x y\nRUN --mount=type=secret,id=s make\n";

  test("is the same every time and can be stored and read back", async () => {
    const first = (await run(text)).platforms[0]!;
    const second = (await run(text)).platforms[0]!;
    expect(second).toEqual(first);
    expect(structuredClone(first)).toEqual(first);
    expect(JSON.parse(JSON.stringify(first.image))).toEqual(first.image);
    expect(graphFromJson(JSON.parse(JSON.stringify(graphToJson(first.graph))))).toEqual(first.graph);
    const read = unmarshalDefinition(marshalGraph(first.graph));
    expect(dumpGraph(read)).toEqual(dumpGraph(first.graph));
  });

  test("has a graph and config per platform, and every warning once", async () => {
    const compiled = await run("FROM a\nCMD x\n", { platforms: [amd64, arm64] });
    expect(compiled.platforms.map(({ platform, image }) => [platform, image.architecture])).toEqual([
      [amd64, "amd64"],
      [arm64, "arm64"],
    ]);
    expect(compiled.warnings).toEqual([
      {
        rule: "JSONArgsRecommended",
        message: expect.stringContaining("CMD"),
        url: "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/",
        ranges: [{ start: 2, end: 2 }],
      },
    ]);
  });

  test("keeps fields of the base config that are not known here", async () => {
    const config = {
      ...amd64,
      config: { "x.vendor": { a: 1 } },
      moby: "y",
      rootfs: { type: "layers" as const, diff_ids: [DIGEST as never] },
    };
    const { platforms } = await run(
      "FROM a\n",
      {},
      new Resolver({ "docker.io/library/a:latest": { config } }),
    );
    expect(platforms[0]!.image).toMatchObject({ moby: "y", config: { "x.vendor": { a: 1 } } });
  });

  test("is not changed by what is done with it: the resolver's answer is copied", async () => {
    const config: ImageConfig = {
      ...amd64,
      config: { Env: ["A=1"] },
      rootfs: { type: "layers", diff_ids: [DIGEST as never] },
    };
    const resolver = new Resolver({ "docker.io/library/a:latest": { config } });
    await run("FROM a\nENV A=2 B=3\nFROM a\n", {}, resolver);
    expect(config.config!.Env).toEqual(["A=1"]);
  });
});

describe("contexts", () => {
  test("of the user are asked for the needed paths, without what is ignored", async () => {
    const text = "FROM a\nCOPY b ./c/ d/\nRUN --mount=target=/m,source=e x\n";
    const compiled = await run(text, { ignore: { file: ".dockerignore", text: "# no\n.git\n" } });
    expect(sources(compiled)["local://context"]).toEqual({
      "local.followpaths": '["b","c","e"]',
      "local.excludepatterns": '[".git"]',
      "local.sharedkeyhint": "context",
    });
  });

  test("that are local folders use their own ignore file", async () => {
    const compiled = await run("FROM a\nCOPY --from=extra x /x\n", {
      namedContexts: { extra: "local:dir" },
      contextIgnores: { dir: { file: "dir/.dockerignore", text: "tmp" } },
      ignore: { file: ".dockerignore", text: "other" },
    });
    expect(sources(compiled)["local://dir"]).toEqual({
      "local.followpaths": '["x"]',
      "local.excludepatterns": '["tmp"]',
      "local.sharedkeyhint": "context:extra-",
    });
  });

  test("that are OCI layouts are resolved by their digest", async () => {
    const resolver = new Resolver();
    const namedContexts = { base: `oci-layout://store:tag@${DIGEST}` };
    const compiled = await run("FROM base\n", { namedContexts }, resolver);
    expect(resolver.asked).toEqual([`oci-layout://store:tag@${DIGEST} amd64`]);
    expect(sources(compiled)).toEqual({
      [`oci-layout://docker.io/library/base@${DIGEST}`]: { "oci.store": "store" },
    });
  });

  test("for one platform come before those for all", async () => {
    const namedContexts = { a: "docker-image://one", "a::linux/arm64": "docker-image://two" };
    const sourcesFor = async (platforms: CompileRequest["platforms"]) =>
      Object.keys(sources(await run("FROM a\n", { namedContexts, platforms })));
    expect(await sourcesFor([arm64])).toEqual(["docker-image://docker.io/library/two:latest"]);
    expect(await sourcesFor([amd64])).toEqual(["docker-image://docker.io/library/one:latest"]);
  });

  test("from a URL are unpacked, unless they are one file", async () => {
    const more = { context: "https://h/c.tar.gz" };
    const kinds = async (contextIsArchive?: boolean) =>
      (await run("FROM scratch\nCOPY x /\n", { ...more, contextIsArchive })).platforms[0]!.graph.vertices.map(
        ({ op }) => op.kind.type,
      );
    expect(await kinds()).toEqual(["source", "file", "file"]);
    expect(await kinds(false)).toEqual(["source", "file"]);
  });
});

describe("ADD of a URL", () => {
  test.each([
    ["https://h/a%20b.tar?x=1#y", "a b.tar"],
    ["https://h/", "__unnamed__"],
    ["https://h", "__unnamed__"],
    ["https://h/%zz", "__unnamed__"],
  ])("%s gives the file %s", async (url, filename) => {
    const found = sources(await run(`FROM scratch\nADD ${url} /x/\n`));
    expect(found).toEqual({ [url]: { "http.filename": filename } });
  });
});

describe("SOURCE_DATE_EPOCH", () => {
  class Timed extends Resolver {
    async sourceTime({ identifier }: { identifier: string }): Promise<number | undefined> {
      return identifier.startsWith("git://h/r") ? 1_600_000_000 : undefined;
    }
  }

  const buildArgs = { SOURCE_DATE_EPOCH: "context" };

  test("comes from the commit of a git context", async () => {
    const more = { buildArgs, context: "https://h/r.git#main" };
    const compiled = await run("FROM a\nWORKDIR /w\n", more, new Timed());
    expect(compiled.platforms[0]).toMatchObject({
      epochSeconds: 1_600_000_000,
      image: { created: "2020-09-13T12:26:40Z", history: [{ created: "2020-09-13T12:26:40Z" }] },
    });
    const file = compiled.platforms[0]!.graph.vertices.at(-1)!.op.kind;
    expect(file).toMatchObject({ actions: [{ action: { timestampNs: 1_600_000_000_000_000_000n } }] });
  });

  test("--reproducible dates files of the context and of named ones, not those of stages and images", async () => {
    const text = [
      "FROM a AS made",
      "FROM scratch",
      "COPY f /1",
      "COPY --from=files f /2",
      "COPY --from=fetched f /3",
      "COPY --from=made f /4",
      "COPY --from=other f /5",
    ];
    const compiled = await run(`${text.join("\n")}\n`, {
      reproducible: { epochSeconds: 7 },
      namedContexts: {
        files: "local:files",
        fetched: "https://h/r.git",
        other: "docker-image://other:1",
      },
    });
    const dates = compiled.platforms[0]!.graph.vertices.flatMap(({ op: { kind } }) =>
      kind.type === "file"
        ? kind.actions.map(({ action }) => "timestampNs" in action && action.timestampNs)
        : [],
    );
    expect(dates).toEqual([7_000_000_000n, 7_000_000_000n, 7_000_000_000n, -1n, -1n]);
  });

  test("is not set when the time cannot be told", async () => {
    expect(
      (await run("FROM a\n", { buildArgs, context: "https://h/r.git" })).platforms[0]!.epochSeconds,
    ).toBeUndefined();
    expect((await run("FROM a\n", { buildArgs }, new Timed())).platforms[0]!.epochSeconds).toBeUndefined();
  });

  test("comes from a stage that does one remote ADD, and commands see the number", async () => {
    const text =
      "FROM scratch AS when\nARG REF=main\nADD https://h/r.git#${REF} /\nFROM a\nARG SOURCE_DATE_EPOCH\nRUN x\n";
    const compiled = await run(text, { buildArgs: { SOURCE_DATE_EPOCH: "when" } }, new Timed());
    const exec = compiled.platforms[0]!.graph.vertices.at(-1)!.op.kind;
    expect(exec.type === "exec" && exec.meta.env).toContain("SOURCE_DATE_EPOCH=1600000000");
  });
});

describe("stages", () => {
  test("that the target does not need are compiled for a check only", async () => {
    const text = "FROM a AS unused\nSTOPSIGNAL nonsense\nFROM a\n";
    expect((await run(text)).platforms).toHaveLength(1);
    expect(await failure(run(text, { allStages: true }))).toMatchObject({
      source: { ranges: [{ start: 2, end: 2 }] },
    });
  });

  test("can be taken by number, and by name in any case", async () => {
    const text = "FROM a AS One\nENV S=1\nFROM ONE\nENV S=2\n";
    const env = async (target: string) =>
      (await run(text, { target })).platforms[0]!.image.config!.Env!.at(-1);
    expect(await env("0")).toBe("S=1");
    expect(await env("oNe")).toBe("S=1");
    expect(await env("1")).toBe("S=2");
  });
});

describe("build arguments", () => {
  const unused = async (text: string, buildArgs: Readonly<Record<string, string>>) =>
    (await run(text, { buildArgs })).warnings.map(({ message }) => message);

  test("that no ARG declares are named in one warning, with what was meant", async () => {
    expect(await unused("FROM scratch\nARG VERSION\n", { VERSOIN: "1", ZZZ: "2" })).toEqual([
      "no ARG declares the build arguments VERSOIN (did you mean VERSION?), ZZZ",
    ]);
  });

  test("may be declared anywhere, by a trigger too, or be those that need no ARG", async () => {
    const known = {
      http_proxy: "x",
      NO_PROXY: "y",
      BUILDKIT_X: "1",
      SOURCE_DATE_EPOCH: "1",
      TARGETARCH: "a",
    };
    const text = "ARG A\nFROM scratch AS x\nONBUILD ARG T\nFROM scratch AS other\nARG B\nFROM x\n";
    expect(await unused(text, { ...known, A: "1", B: "2", T: "3" })).toEqual([]);
  });
});

test("the stages and files that a scan for a bill of materials looks at", async () => {
  const text = `ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
FROM alpine AS a
ARG BUILDKIT_SBOM_SCAN_STAGE=true
RUN a
FROM alpine AS b
ARG BUILDKIT_SBOM_SCAN_STAGE=other,b
RUN b
FROM alpine AS c
RUN c
FROM scratch
COPY --from=a /a /a
COPY --from=b /b /b
COPY --from=c /c /c
`;
  const [platform] = (await run(text)).platforms;
  expect(platform!.sbomExtras!.map(({ name }) => name)).toEqual(["a", "b", "context"]);
  expect(platform!.sbomExtras![0]!.graph.vertices.at(-1)!.op.kind.type).toBe("exec");
});

test("a password in a URL is neither in the image's history nor in a step's name", async () => {
  const text = "FROM scratch\nADD https://me:hunter2@h/f https://me:hunter2@h/r.git /x/\n";
  const { platforms } = await run(text, { buildArgs: { URL: "https://me:hunter2@h/f" } });
  const { graph, image } = platforms[0]!;
  expect(image.history?.[0]?.created_by).toBe("ADD https://***@h/f https://***@h/r.git /x/ # buildkit");
  const names = graph.vertices.map(({ metadata }) => metadata.name);
  expect(names).toEqual(Array(3).fill("[1/1] ADD https://***@h/f https://***@h/r.git /x/"));
  const namedContexts = { g: "https://me:hunter2@h/r.git", w: "https://me:hunter2@h/f" };
  const named = await run("FROM scratch\nCOPY --from=g / /\nCOPY --from=w / /\n", { namedContexts });
  const shown = named.platforms[0]!.graph.vertices.map(({ metadata }) => metadata.name);
  expect(shown).toContain("[internal] load git source https://***@h/r.git");
  expect(shown).toContain("[context w] https://***@h/f");
});

test("devices become part of the operation", async () => {
  const compiled = await run("FROM alpine\nRUN --device=v.com/gpu=all --device=v.com/x=1,required a\n");
  expect(compiled.platforms[0]!.graph.vertices.at(-1)!.op.kind).toMatchObject({
    devices: [
      { name: "v.com/gpu=all", optional: true },
      { name: "v.com/x=1", optional: false },
    ],
  });
});
