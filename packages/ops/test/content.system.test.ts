import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeTreeOps, nativeFs } from "@tsbuild/native-fs";
import { openStore, type Store } from "@tsbuild/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contentKey } from "../src/content/content-key.ts";
import type { Selector } from "../src/content/selector.ts";
import type { OpsEnvironment } from "../src/environment.ts";
import { NO_GRANTS } from "../src/grants/grants.ts";
import { refForContext } from "../src/local/context.ts";
import { anySource } from "../src/sources.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: content keys: needs root");

function never(): never {
  throw new Error("not needed here");
}

describe.skipIf(!isRoot)("content of a context", () => {
  let folder: string;
  let store: Store;
  let hashed: string[];
  let env: OpsEnvironment;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-content-"));
    mkdirSync(join(folder, "ctx/sub"), { recursive: true });
    writeFileSync(join(folder, "ctx/a"), "a");
    writeFileSync(join(folder, "ctx/sub/b"), "b");
    store = await openStore({ root: join(folder, "state"), native: nativeFs });
    hashed = [];
    const fs = {
      ...nativeFs,
      hashFiles: (root: number, paths: readonly string[]) => {
        hashed.push(...paths);
        return nativeFs.hashFiles(root, paths);
      },
    };
    env = {
      store,
      fs,
      sandbox: never,
      images: never,
      http: never,
      git: never,
      rules: anySource,
      contexts: new Map(),
      networks: () => Promise.reject(new Error("no network here")),
      resolvConf: () => undefined,
      userxattr: false,
      proxyEnv: [],
      grants: NO_GRANTS,
    };
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const all: Selector = { path: "/", wildcard: true, follow: true, include: [], exclude: [], optional: true };

  async function digest(selector: Partial<Selector> = {}, ignore: readonly string[] = []): Promise<string> {
    hashed.length = 0;
    const ref = refForContext({ name: "context", folder: join(folder, "ctx"), ignore });
    return (await contentKey(env, ref, [{ ...all, ...selector }])).digest;
  }

  /** Past the time in which a change could hide. */
  async function settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 40));
  }

  test("an unchanged tree opens no file the second time", async () => {
    await settle();
    const first = await digest();
    expect(hashed.sort()).toEqual(["a", "sub/b"]);
    expect(await digest()).toBe(first);
    expect(hashed).toEqual([]);
  });

  test("only what changed is read again", async () => {
    await settle();
    const first = await digest();
    await settle();
    writeFileSync(join(folder, "ctx/a"), "A");
    await settle();
    expect(await digest()).not.toBe(first);
    expect(hashed).toEqual(["a"]);
  });

  test("an edit that keeps size and mtime is seen", async () => {
    await settle();
    const first = await digest();
    const { atime, mtime } = statSync(join(folder, "ctx/a"));
    writeFileSync(join(folder, "ctx/a"), "x");
    utimesSync(join(folder, "ctx/a"), atime, mtime);
    expect(await digest()).not.toBe(first);
  });

  test("files written while or just before they were hashed are looked at again", async () => {
    writeFileSync(join(folder, "ctx/a"), "1");
    const first = await digest();
    expect(await digest()).toBe(first);
    expect(hashed).toContain("a");
  });

  test("mtime is not content; mode, names and links are", async () => {
    const first = await digest();
    utimesSync(join(folder, "ctx/a"), new Date(0), new Date(0));
    expect(await digest()).toBe(first);
    chmodSync(join(folder, "ctx/a"), 0o755);
    const second = await digest();
    expect(second).not.toBe(first);
    symlinkSync("a", join(folder, "ctx/link"));
    expect(await digest()).not.toBe(second);
  });

  test("normal modes: what a umask does is no content, what may be executed is (W009)", async () => {
    const context = { name: "context", folder: join(folder, "ctx"), ignore: [], normalModes: true };
    const normal = async () => contentKey(env, refForContext(context), [all]);
    const [exact, first] = [await digest(), await normal()];
    chmodSync(join(folder, "ctx/a"), 0o600);
    chmodSync(join(folder, "ctx/sub"), 0o2770);
    expect((await normal()).digest).toBe(first.digest);
    expect(await digest()).not.toBe(exact);
    const modes = (await (await normal()).fields?.())?.map(({ value }) => value.split(" ")[0]);
    expect(modes).toEqual(["40755", "100644", "40755", "100644"]);
    chmodSync(join(folder, "ctx/a"), 0o711);
    expect((await normal()).digest).not.toBe(first.digest);
    // The folder is remembered for either.
    hashed.length = 0;
    await settle();
    const second = [await digest(), (await normal()).digest];
    hashed.length = 0;
    expect([await digest(), (await normal()).digest]).toEqual(second);
  });

  test("what is kept to say later what changed: of files, links and folders, the attributes that count too", async () => {
    symlinkSync("a", join(folder, "ctx/link"));
    const note = { name: "user.note", value: Buffer.from("x") };
    const root = nativeFs.openFolder(join(folder, "ctx"));
    await nativeFs.apply(
      root,
      -1,
      encodeTreeOps([
        { type: "folder", path: "sub", existing: "replace", mode: 0o700, uid: 5, gid: 6, xattrs: [note] },
      ]),
      { hash: false },
    );
    nativeFs.close(root);
    const ref = refForContext({ name: "context", folder: join(folder, "ctx"), ignore: [] });
    const { fields } = await contentKey(env, ref, [{ ...all, exclude: ["a"] }]);
    expect(await fields?.()).toEqual([
      { name: "file:./", value: expect.stringMatching(/^40755 $/) },
      { name: "file:link", value: "120777 a" },
      { name: "file:sub/", value: expect.stringMatching(/^40700 \tuser\.note [0-9a-f]{16}$/) },
      { name: "file:sub/b", value: expect.stringMatching(/^100644 [0-9a-f]{16}$/) },
    ]);
  });

  test("a file that goes away between the walk and the reading is an error that says so", async () => {
    const { hashFiles } = env.fs;
    const fs = {
      ...env.fs,
      hashFiles: (root: number, paths: readonly string[]) => {
        rmSync(join(folder, "ctx/sub"), { recursive: true, force: true });
        return hashFiles(root, paths);
      },
    };
    const ref = refForContext({ name: "context", folder: join(folder, "ctx"), ignore: [] });
    await expect(contentKey({ ...env, fs }, ref, [all])).rejects.toMatchObject({
      code: "TSB_CONTEXT",
      message: expect.stringMatching(/^"sub(\/b)?" in the build context changed while it was being read$/),
    });
  });

  test("a large context is told of before it is read, and not again while nothing changes (W007)", async () => {
    writeFileSync(join(folder, "ctx/sub/b"), "");
    truncateSync(join(folder, "ctx/sub/b"), 600_000_000);
    await settle();
    const happened: unknown[] = [];
    const fs = {
      ...env.fs,
      hashFiles: async (_root: number, paths: readonly string[]) => {
        happened.push(...paths);
        return Buffer.alloc(32 * paths.length, 1);
      },
    };
    env = { ...env, fs, onLargeContext: ({ bytes, top }) => happened.push({ bytes, top: top[0] }) };
    await digest();
    const told = { bytes: 600_000_001, top: { path: "sub/", entries: 2, bytes: 600_000_000 } };
    // The large file first.
    expect(happened).toEqual([told, "sub/b", "a"]);
    await digest();
    expect(happened).toHaveLength(3);
    await digest({}, ["sub"]);
    expect(happened.filter((one) => typeof one === "object")).toEqual([told]);
  });

  test("what the ignore file hides does not count; what it brings back does", async () => {
    const patterns = ["sub", "!sub/keep"];
    const first = await digest({}, patterns);
    writeFileSync(join(folder, "ctx/sub/b"), "changed");
    expect(await digest({}, patterns)).toBe(first);
    writeFileSync(join(folder, "ctx/sub/keep"), "k");
    expect(await digest({}, patterns)).not.toBe(first);
  });

  test("a narrow selector sees only its path", async () => {
    const first = await digest({ path: "/a" });
    writeFileSync(join(folder, "ctx/sub/b"), "changed");
    expect(await digest({ path: "/a" })).toBe(first);
    expect(hashed).not.toContain("sub/b");
  });

  test("renaming what a wildcard matches changes the key", async () => {
    const first = await digest({ path: "/sub/*" });
    const { renameSync } = await import("node:fs");
    renameSync(join(folder, "ctx/sub/b"), join(folder, "ctx/sub/c"));
    expect(await digest({ path: "/sub/*" })).not.toBe(first);
  });

  test("a path that is not there", async () => {
    await expect(digest({ path: "/nothing" })).rejects.toThrow(/"\/nothing": not found in the build context/);
    await expect(digest({ path: "/noth*" })).resolves.toMatch(/^sha256:/);
    await expect(digest({ path: "/sub/noth*" })).resolves.toMatch(/^sha256:/);
    await expect(digest({ path: "/nothing/*" })).rejects.toThrow(
      /"\/nothing\/\*": not found in the build context/,
    );
    await expect(digest({ path: "/sub/*" }, ["sub"])).rejects.toThrow(
      /"\/sub\/\*": not found in the build context/,
    );
  });

  test("what may not be read is named", async () => {
    const denied = () => Object.assign(new Error("EACCES: openat2 'sub'"), { code: "EACCES", path: "sub" });
    const refused = async (change: Partial<typeof nativeFs>, path: string) => {
      env = { ...env, fs: { ...nativeFs, ...change } };
      await expect(digest({ path })).rejects.toMatchObject({
        code: "TSB_CONTEXT",
        message: '"sub" in the build context cannot be read: permission denied',
        hint: expect.stringContaining(".dockerignore"),
      });
    };
    await refused({ walk: async () => Promise.reject(denied()) }, "/");
    await refused({ hashFiles: async () => Promise.reject(denied()) }, "/");
    await refused(
      {
        pathInRoot: () => {
          throw denied();
        },
      },
      "/sub/b",
    );
  });

  test("a path that is not there, with what was meant, or what hides it", async () => {
    const hint = async (path: string, ignore: readonly string[] = []) => {
      const error: unknown = await digest({ path }, ignore).catch((reason: unknown) => reason);
      return (error as { readonly hint?: string }).hint;
    };
    expect(await hint("/sbu/b")).toBe('did you mean "sub/b"?');
    expect(await hint("/sub/bb")).toBe('did you mean "sub/b"?');
    expect(await hint("/sbu/other")).toMatch(/^paths are relative/);
    expect(await hint("/sub/b", ["sub"])).toMatch(/^it is there, and .dockerignore excludes it/);
    // What is hidden was not meant.
    expect(await hint("/sub/bb", ["sub/b"])).toMatch(/^paths are relative/);
  });

  test("a folder that is left out is there when an exception leaves in a part of it", async () => {
    const ignore = ["*", "!sub/b"];
    const first = await digest({ path: "/sub" }, ignore);
    expect(await digest({ path: "/[s]ub" }, ignore)).not.toBe(await digest({ path: "/noth*" }, ignore));
    expect(await digest({ path: "/sub/noth*" }, ignore)).toBeTruthy();
    writeFileSync(join(folder, "ctx/sub/other"), "left out");
    expect(await digest({ path: "/sub" }, ignore)).toBe(first);
    writeFileSync(join(folder, "ctx/sub/b"), "changed");
    expect(await digest({ path: "/sub" }, ignore)).not.toBe(first);
    for (const none of [["*"], ["*", "!sub/nothing"], ["*", "!su"]])
      await expect(digest({ path: "/sub" }, none)).rejects.toThrow(/"\/sub": not found in the build context/);
  });

  test("a wildcard does not go through links; a name does", async () => {
    symlinkSync("sub", join(folder, "ctx/way"));
    const nothing = await digest({ path: "/noth*" });
    expect(await digest({ path: "/wa*/b" })).toBe(nothing);
    expect(await digest({ path: "/wa*/*" })).toBe(nothing);
    expect(await digest({ path: "/way/*" })).not.toBe(nothing);
    expect(await digest({ path: "/su*/b" })).not.toBe(nothing);
  });

  test("a link that is left out does not lead to what is left in", async () => {
    symlinkSync(".", join(folder, "ctx/here"));
    const nothing = await digest({ path: "/noth*" }, ["here"]);
    expect(await digest({ path: "/her*" }, ["here"])).toBe(nothing);
    await expect(digest({ path: "/here" }, ["here"])).rejects.toThrow(/"\/here": not found/);
  });

  test("a link out of the context stays inside", async () => {
    symlinkSync("/etc/passwd", join(folder, "ctx/out"));
    await expect(digest({ path: "/out" })).rejects.toThrow(/not found/);
    symlinkSync("../../..", join(folder, "ctx/up"));
    await expect(digest({ path: "/up/a" })).resolves.toMatch(/^sha256:/);
  });
});
