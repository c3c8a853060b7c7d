import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sha256 } from "@tsbuild/base";
import { defaultRoot, fsck } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { layer, names, openAt, temporaryFiles, temporaryRoot } from "./world.ts";

describe("openStore", () => {
  it("makes a state folder that only its owner may enter", () => {
    const root = join(temporaryRoot(), "a", "state");
    expect(openAt(root).root).toBe(root);
    expect(statSync(root).mode & 0o777).toBe(0o700);
    expect(statSync(join(root, "v1")).mode & 0o777).toBe(0o700);
  });

  it("leaves the mode of a folder that exists", () => {
    const root = temporaryRoot();
    chmodSync(root, 0o755);
    openAt(root);
    expect(statSync(root).mode & 0o777).toBe(0o755);
    expect(statSync(join(root, "v1")).mode & 0o777).toBe(0o700);
  });

  it("finds everything again after closing", async () => {
    const root = temporaryRoot();
    const first = openAt(root);
    const id = layer(first, layer(first, null));
    const digest = first.blobs.write(Buffer.from("blob"));
    const lowers = first.snapshots.lowers(id);
    await first.close();
    const second = openAt(root);
    expect(second.snapshots.lowers(id)).toEqual(lowers);
    expect(second.blobs.has(digest)).toBe(true);
    expect(await fsck(second)).toEqual([]);
  });

  it("leaves nothing but the state when closed", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    layer(store, null);
    store.blobs.write(Buffer.from("x"));
    writeFileSync(join(store.temporaryFolder(), "file"), "x");
    await store.close();
    await store.close();
    expect(readdirSync(join(root, "v1")).sort()).toEqual([
      "blobs",
      "cache-mounts",
      "gc.json",
      "leases",
      "snapshots",
      "state.db",
      "trash",
      "work.lock",
    ]);
    expect(names(root, "leases")).toEqual([]);
    expect(names(root, "trash")).toEqual([]);
  });

  it("discards active snapshots when closed", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const active = store.snapshots.prepare(null);
    await store.close();
    expect(existsSync(active.upper)).toBe(false);
    expect(await fsck(openAt(root))).toEqual([]);
  });

  it("gives fresh temporary folders that end with the store", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const [a, b] = [store.temporaryFolder(), store.temporaryFolder()];
    expect(a).not.toBe(b);
    expect(readdirSync(a)).toEqual([]);
    expect(temporaryFiles(root)).toHaveLength(2);
    await store.close();
    expect([existsSync(a), existsSync(b)]).toEqual([false, false]);
  });

  it("writes nothing when nothing is kept", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    const before = statSync(join(root, "v1", "state.db"), { bigint: true }).mtimeNs;
    const store = openAt(root);
    expect(store.images.list()).toEqual([]);
    expect(store.blobs.has(sha256("x"))).toBe(false);
    expect(names(root, "leases")).toEqual([]);
    await store.close();
    expect(statSync(join(root, "v1", "state.db"), { bigint: true }).mtimeNs).toBe(before);
  });

  it("refuses a database of a newer version", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    const database = new DatabaseSync(join(root, "v1", "state.db"));
    database.exec("PRAGMA user_version=999");
    database.close();
    expect(() => openAt(root)).toThrow(
      expect.objectContaining({ code: "TSB_STORE", message: expect.stringContaining("version 999") }),
    );
  });

  it("says what is wrong with a file that is no database", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    writeFileSync(join(root, "v1", "state.db"), "x".repeat(8192));
    expect(() => openAt(root)).toThrow(
      expect.objectContaining({ code: "TSB_STORE", hint: expect.stringContaining("damaged") }),
    );
  });

  it("says so when the place is taken by a file", () => {
    const root = join(temporaryRoot(), "file");
    writeFileSync(root, "");
    for (const taken of [root, join(root, "below")])
      expect(() => openAt(taken)).toThrow(
        expect.objectContaining({
          code: "TSB_STORE",
          hint: `${taken} cannot be a folder; choose another with --root or TSBUILD_ROOT`,
        }),
      );
  });

  it("cannot be used after it is closed", async () => {
    const store = openAt(temporaryRoot());
    await store.close();
    expect(() => store.snapshots.prepare(null)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
  });

  it("takes an id that a power cut gave back, whatever its folder holds", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    mkdirSync(join(root, "v1", "snapshots", "1", "fs", "old"), { recursive: true });
    const active = openAt(root).snapshots.prepare(null);
    expect(active.upper).toBe(join(root, "v1", "snapshots", "1", "fs"));
    expect(readdirSync(active.upper)).toEqual([]);
  });
});

describe("defaultRoot", () => {
  it.each([
    ["TSBUILD_ROOT wins", { TSBUILD_ROOT: "/x", XDG_DATA_HOME: "/data" }, 0, "/x"],
    ["root", { XDG_DATA_HOME: "/data", HOME: "/root" }, 0, "/var/lib/tsbuild"],
    ["XDG", { XDG_DATA_HOME: "/data", HOME: "/home/u" }, 1000, "/data/tsbuild"],
    [
      "relative XDG is ignored",
      { XDG_DATA_HOME: "data", HOME: "/home/u" },
      1000,
      "/home/u/.local/share/tsbuild",
    ],
    ["home", { HOME: "/home/u" }, 1000, "/home/u/.local/share/tsbuild"],
    ["empty is unset", { TSBUILD_ROOT: "", XDG_DATA_HOME: "", HOME: "/h" }, 1000, "/h/.local/share/tsbuild"],
  ])("%s", (_what, env, uid, expected) => {
    expect(defaultRoot(env, uid)).toBe(expected);
  });

  it("asks for --root without a home", () => {
    expect(() => defaultRoot({ HOME: "relative" }, 1000)).toThrow(
      expect.objectContaining({ code: "TSB_USAGE" }),
    );
  });
});
