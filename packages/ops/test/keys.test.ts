/** What is in the key of a RUN and of a COPY and what is not (V012–V014, FEATURES 10 "Keys and cache"), one row each. */
import type { CopyAction, ExecMeta, ExecOp, FileAction, FileOp, Mount, Op } from "@tsbuild/llb";
import type { CacheMap } from "@tsbuild/solver";
import { describe, expect, test } from "vitest";
import type { OpsEnvironment } from "../src/environment.ts";
import { execCacheMap } from "../src/exec/key.ts";
import { fileCacheMap } from "../src/file/key.ts";

const platform: { os: string; architecture: string; variant?: string } = {
  os: "linux",
  architecture: "amd64",
};
/** No key of these looks at the state folder or the machine. */
const env = { grants: { secrets: new Map() } } as unknown as OpsEnvironment;

const root: Mount = {
  input: 0,
  selector: "",
  dest: "/",
  output: 0,
  readonly: false,
  type: "bind",
  contentCache: "default",
};
const cache: Mount = {
  ...root,
  input: -1,
  dest: "/c",
  output: -1,
  type: "cache",
  cache: { id: "a", sharing: "shared" },
};
const secret: Mount = {
  ...cache,
  dest: "/run/secrets/a",
  type: "secret",
  secret: { id: "a", uid: 0, gid: 0, mode: 0o400, optional: false },
};
const context: Mount = { ...root, input: 1, dest: "/src", output: -1, readonly: true };

const exec: ExecOp = {
  type: "exec",
  meta: {
    args: ["sh", "-c", "make"],
    env: ["A=1"],
    cwd: "/",
    user: "",
    extraHosts: [],
    hostname: "",
    ulimits: [],
    cgroupParent: "",
    removeMountStubsRecursive: true,
    validExitCodes: [],
  },
  mounts: [root],
  network: "default",
  security: "sandbox",
  secretEnv: [],
};

function mapOf(kind: ExecOp, machine = platform): CacheMap {
  const inputs = kind.mounts.flatMap(({ input }) => (input < 0 ? [] : [{}]));
  return execCacheMap(env, { kind, inputs, platform: machine } as unknown as Op & { readonly kind: ExecOp });
}

function withMeta(meta: Partial<ExecMeta>): ExecOp {
  return { ...exec, meta: { ...exec.meta, ...meta } };
}

function withMounts(...mounts: readonly Mount[]): ExecOp {
  return { ...exec, mounts };
}

const host = (ip: string) => withMeta({ extraHosts: [{ host: "db", ip }] });
const proxied = (http: string) => withMeta({ proxyEnv: { http, https: "", ftp: "", no: "", all: "" } });
const limited = (soft: number) => withMeta({ ulimits: [{ name: "nofile", soft, hard: 2048 }] });
const shm = (tmpfsSizeBytes: number): Mount => ({
  ...cache,
  dest: "/dev/shm",
  type: "tmpfs",
  cache: undefined,
  tmpfsSizeBytes,
});
const secretEnv = (name: string): ExecOp => ({ ...exec, secretEnv: [{ id: "s", name, optional: false }] });

describe("in the key of a RUN", () => {
  test.each<[string, ExecOp, ExecOp]>([
    ["its command", exec, withMeta({ args: ["sh", "-c", "make all"] })],
    ["words, not their text joined", withMeta({ args: ["a b"] }), withMeta({ args: ["a", "b"] })],
    ["the value of an ARG or ENV", exec, withMeta({ env: ["A=2"] })],
    ["variables, not their text joined", withMeta({ env: ["A=1", "B=2"] }), withMeta({ env: ["A=1B=2"] })],
    ["the working folder", exec, withMeta({ cwd: "/src" })],
    ["the user", exec, withMeta({ user: "alice" })],
    ["the host name", exec, withMeta({ hostname: "box" })],
    ["names of further hosts", exec, host("10.0.0.1")],
    ["limits", limited(1024), limited(2048)],
    ["the parent of control groups", exec, withMeta({ cgroupParent: "/g" })],
    ["the size of /dev/shm", withMounts(root, shm(1)), withMounts(root, shm(2))],
    ["the network mode", exec, { ...exec, network: "none" }],
    ["the security mode", exec, { ...exec, security: "insecure" }],
    ["where a cache mount is", withMounts(root, cache), withMounts(root, { ...cache, dest: "/d" })],
    [
      "that a cache mount may be written",
      withMounts(root, cache),
      withMounts(root, { ...cache, readonly: true }),
    ],
    [
      "the id of a secret",
      withMounts(root, secret),
      withMounts(root, { ...secret, secret: { ...secret.secret!, id: "b" } }),
    ],
    [
      "the mode of a secret",
      withMounts(root, secret),
      withMounts(root, { ...secret, secret: { ...secret.secret!, mode: 0o444 } }),
    ],
    ["the variable of a secret", secretEnv("TOKEN"), secretEnv("PASSWORD")],
  ])("%s", (_, one, other) => expect(mapOf(one).digest).not.toBe(mapOf(other).digest));

  test("the machine it is for", () => {
    const arm = { os: "linux", architecture: "arm", variant: "v7" };
    expect(mapOf(exec, arm).digest).not.toBe(mapOf(exec).digest);
    expect(mapOf(exec, arm).digest).not.toBe(mapOf(exec, { ...arm, variant: "v6" }).digest);
  });
});

describe("not in the key of a RUN", () => {
  test.each<[string, ExecOp, ExecOp]>([
    ["addresses of further hosts", host("10.0.0.1"), host("10.0.0.2")],
    ["proxies", proxied("http://a"), proxied("http://b")],
    [
      "id and sharing of a cache mount",
      withMounts(root, cache),
      withMounts(root, { ...cache, cache: { id: "b", sharing: "locked" } }),
    ],
    [
      "what a cache mount begins with",
      withMounts(root, cache),
      withMounts(root, { ...cache, input: 0, selector: "/x" }),
    ],
    [
      "which part of an input is mounted",
      withMounts(root, context),
      withMounts(root, { ...context, selector: "/a" }),
    ],
  ])("%s", (_, one, other) => expect(mapOf(one).digest).toBe(mapOf(other).digest));

  test("the value of a secret", () => {
    const given = (value: string) =>
      ({ grants: { secrets: new Map([["a", { value, invalidate: false }]]) } }) as unknown as OpsEnvironment;
    const op = { kind: withMounts(root, secret), inputs: [{}], platform } as unknown as Op & {
      readonly kind: ExecOp;
    };
    expect(execCacheMap(given("x"), op).digest).toBe(execCacheMap(given("y"), op).digest);
  });
});

describe("what counts of the inputs of a RUN (V013)", () => {
  test.each<[string, Mount, boolean]>([
    ["content of what it can only read", context, true],
    ["content of what it writes to for nobody", { ...context, readonly: false }, true],
    ["definition of what it passes on", { ...context, readonly: false, output: 1 }, false],
    ["definition of its root", { ...context, dest: "/" }, false],
    ["definition where the graph says so", { ...context, contentCache: "off" }, false],
  ])("%s", (_, mount, byContent) => {
    expect(mapOf(withMounts(root, mount)).inputs[1]?.content !== undefined).toBe(byContent);
  });

  test("the part that is mounted is in the link to the input", () => {
    const selectorOf = (selector: string) =>
      mapOf(withMounts(root, { ...context, selector })).inputs[1]?.selector;
    expect(selectorOf("/a")).not.toBe(selectorOf("/b"));
    expect(selectorOf("/")).toBe("");
  });
});

const copy: CopyAction = {
  type: "copy",
  src: "/deep/a",
  dest: "/x",
  mode: -1,
  modeStr: "",
  followSymlink: false,
  dirCopyContents: true,
  attemptUnpackDockerCompatibility: false,
  createDestPath: true,
  allowWildcard: true,
  allowEmptyWildcard: true,
  timestampNs: -1n,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
  alwaysReplaceExistingDestPaths: false,
};

function fileMap(...actions: readonly FileAction[]): CacheMap {
  const kind: FileOp = { type: "file", actions };
  const op = { kind, inputs: [{}, {}], platform } as unknown as Op & { readonly kind: FileOp };
  return fileCacheMap(env, op, new Map() as unknown as Parameters<typeof fileCacheMap>[2]);
}

const copying = (change: Partial<CopyAction>): CacheMap =>
  fileMap({ input: 0, secondaryInput: 1, output: 0, action: { ...copy, ...change } });
const alice = { user: { name: "alice", input: 0 } };

describe("the key of a COPY (V014)", () => {
  test.each<[string, Partial<CopyAction>]>([
    ["the destination", { dest: "/y" }],
    ["the name that the file keeps", { src: "/deep/b" }],
    ["the owner by number", { owner: { user: { id: 7 } } }],
    ["the owner by name", { owner: alice }],
    ["the mode", { mode: 0o600 }],
    ["the symbolic mode", { modeStr: "go=" }],
    ["the time", { timestampNs: 0n }],
    ["whether links are followed", { followSymlink: true }],
    ["whether archives are unpacked", { attemptUnpackDockerCompatibility: true }],
    ["whether what is there is replaced", { alwaysReplaceExistingDestPaths: true }],
  ])("has %s", (_, change) => expect(copying(change).digest).not.toBe(copying({}).digest));

  test("has no folder of the source: the content is what counts", () => {
    expect(copying({ src: "/other/a" }).digest).toBe(copying({}).digest);
    expect(copying({ src: "/other/a" }).inputs[1]?.selector).not.toBe(copying({}).inputs[1]?.selector);
  });

  test("has patterns in the link to the source", () => {
    const excluding = copying({ excludePatterns: ["*.md"] });
    expect(excluding.digest).toBe(copying({}).digest);
    expect(excluding.inputs[1]?.selector).not.toBe(copying({}).inputs[1]?.selector);
  });

  test("has the numbers of its inputs: swapped, they are another key (testFileOpInputSwap)", () => {
    const swapped = fileMap({ input: 1, secondaryInput: 0, output: 0, action: copy });
    expect(swapped.digest).not.toBe(copying({}).digest);
  });

  test("takes the source by content and the destination by definition", () => {
    const { inputs } = copying({});
    expect([inputs[0]?.content, inputs[1]?.content].map((content) => content !== undefined)).toEqual([
      false,
      true,
    ]);
  });

  test("takes a source whose passwd names the owner by definition: other files, other ids", () => {
    const named = { user: { name: "alice", input: 1 } };
    expect(copying({ owner: named }).inputs[1]?.content).toBeUndefined();
  });
});
