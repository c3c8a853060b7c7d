import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { sha256 } from "@tsbuild/base";
import { fsck, prune } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { layer, names, openAt, temporaryRoot } from "./world.ts";

/**
 * Makes the lease of an open store look like that of a killed process: its lock file is one that nobody has locked. (The
 * real thing is in crash.system.test.ts.)
 */
function bury(root: string): void {
  for (const name of names(root, "leases").filter((file) => file.endsWith(".lock"))) {
    const file = join(root, "v1", "leases", name);
    writeFileSync(`${file}.new`, "");
    renameSync(`${file}.new`, file);
  }
}

describe("leases", () => {
  it("of a dead process: the next open removes what it was making and keeps what it made", async () => {
    const root = temporaryRoot();
    const dead = openAt(root);
    const made = layer(dead, null);
    const active = dead.snapshots.prepare(made);
    const folder = dead.temporaryFolder();
    bury(root);
    const next = openAt(root);
    expect([existsSync(active.upper), existsSync(folder)]).toEqual([false, false]);
    expect(next.snapshots.exists(made)).toBe(true);
    expect(names(root, "leases").filter((name) => name.endsWith(".lock"))).toHaveLength(1);
    expect(await fsck(next)).toEqual([]);
  });

  it("of a dead process: what it left outside goes, but nothing that has come into its folders", () => {
    const root = temporaryRoot();
    const outside = temporaryRoot();
    const places = {
      file: join(outside, ".x.tmp"),
      empty: join(outside, "empty"),
      full: join(outside, "full"),
    };
    const dead = openAt(root);
    for (const path of [...Object.values(places), join(outside, "never made")]) dead.removeIfKilled(path);
    writeFileSync(places.file, "half");
    mkdirSync(places.empty);
    mkdirSync(join(places.full, "somebody's"), { recursive: true });
    // Killed while it named one more.
    appendFileSync(
      join(root, "v1/leases", names(root, "leases").find((name) => name.endsWith(".left"))!),
      '"/tm',
    );
    bury(root);
    openAt(root);
    expect(readdirSync(outside)).toEqual(["full"]);
    expect(names(root, "leases")).toEqual([]);
  });

  it("that end by themselves remove nothing outside", async () => {
    const root = temporaryRoot();
    const outside = temporaryRoot();
    const store = openAt(root);
    store.removeIfKilled(join(outside, "mine"));
    writeFileSync(join(outside, "mine"), "");
    await store.close();
    openAt(root);
    expect(readdirSync(outside)).toEqual(["mine"]);
    expect(names(root, "leases")).toEqual([]);
  });

  it("of a living process are left alone", async () => {
    const root = temporaryRoot();
    const living = openAt(root);
    const active = living.snapshots.prepare(null);
    const folder = living.temporaryFolder();
    const other = openAt(root);
    await prune(other, { all: true });
    expect([existsSync(active.upper), existsSync(folder)]).toEqual([true, true]);
    expect(other.snapshots.exists(living.snapshots.commit(active))).toBe(true);
  });

  it("are collected although the crash came before the log, or twice", () => {
    const root = temporaryRoot();
    openAt(root);
    writeFileSync(join(root, "v1", "leases", "0123456789abcdef.lock"), "");
    openAt(root);
    expect(names(root, "leases")).toEqual([]);
  });

  it("keep what was made, and what was looked up, from collection", async () => {
    const root = temporaryRoot();
    const earlier = openAt(root);
    const old = layer(earlier, null);
    const blob = earlier.blobs.write(Buffer.from("old"));
    await earlier.close();
    const [user, pruner] = [openAt(root), openAt(root)];
    const made = layer(user, old);
    const fresh = user.blobs.write(Buffer.from("new"));
    expect(user.blobs.has(blob)).toBe(true);
    await prune(pruner, { all: true });
    expect(user.snapshots.lowers(made)).toHaveLength(2);
    expect(names(root, "blobs/sha256")).toHaveLength(2);
    await user.close();
    await prune(pruner, { all: true });
    expect(names(root, "snapshots")).toEqual([]);
    expect(names(root, "blobs/sha256")).toEqual([]);
    expect([pruner.blobs.has(fresh), pruner.snapshots.exists(made)]).toEqual([false, false]);
  });

  it("let go of what is released", async () => {
    const root = temporaryRoot();
    const earlier = openAt(root);
    const [a, b] = [layer(earlier, null), layer(earlier, null)];
    await earlier.close();
    const [user, pruner] = [openAt(root), openAt(root)];
    const [first, second, kept] = [user.snapshots.hold(a), user.snapshots.hold(a), user.snapshots.hold(b)];
    expect(user.snapshots.lowers(a)).toHaveLength(1);
    first.release();
    second.release();
    await prune(pruner, { all: true });
    expect([pruner.snapshots.exists(a), pruner.snapshots.exists(b)]).toEqual([false, true]);
    // What was known of it is forgotten with it.
    expect(() => user.snapshots.lowers(a)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
    kept.release();
  });

  it("may be released after the store is closed", async () => {
    const store = openAt(temporaryRoot());
    const hold = store.snapshots.hold(layer(store, null));
    await store.close();
    expect(() => hold.release()).not.toThrow();
  });
});

describe("trash", () => {
  it("is empty after a build that threw away more than once", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    for (let round = 0; round < 2; round++) {
      const active = store.snapshots.prepare(null);
      writeFileSync(join(active.upper, "large"), "x");
      store.snapshots.discard(active);
      // The first is gone by then, and with it the emptying that it started.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await store.close();
    expect(names(root, "trash")).toEqual([]);
  });

  it("is finished by a later open", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    const deep = join(root, "v1", "trash", "left", "a", "b");
    mkdirSync(deep, { recursive: true });
    writeFileSync(Buffer.concat([Buffer.from(`${deep}/`), Buffer.from([0xff, 0xfe])]), "");
    await openAt(root).close();
    expect(names(root, "trash")).toEqual([]);
  });

  it("takes folders nested deeper than a path is long", async () => {
    const root = temporaryRoot();
    await openAt(root).close();
    const name = "d".repeat(200);
    const script = `for i in $(seq 40); do mkdir ${name} && cd -P ${name} || exit 1; done`;
    expect(spawnSync("bash", ["-c", script], { cwd: join(root, "v1", "trash") }).status).toBe(0);
    await openAt(root).close();
    expect(names(root, "trash")).toEqual([]);
  });

  it("gets folders whose row went before a crash", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const active = store.snapshots.prepare(null);
    store.snapshots.discard(active);
    await store.close();
    const { DatabaseSync } = await import("node:sqlite");
    const database = new DatabaseSync(join(root, "v1", "state.db"));
    database.exec("INSERT INTO removals VALUES('snapshots/9')");
    database.close();
    mkdirSync(join(root, "v1", "snapshots", "9", "fs"), { recursive: true });
    const next = openAt(root);
    expect(names(root, "snapshots")).toEqual([]);
    expect(await fsck(next)).toEqual([]);
  });
});

describe("fsck", () => {
  it("finds nothing in a sound folder that is in use", async () => {
    const store = openAt(temporaryRoot());
    layer(store, layer(store, null));
    store.snapshots.prepare(null);
    expect(await fsck(store)).toEqual([]);
  });

  it("finds what is missing, foreign or changed", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const manifest = store.blobs.write(Buffer.from("{}"));
    const changed = store.blobs.write(Buffer.from("before"));
    const id = layer(store, null);
    store.images.put({ name: "app", manifest, config: manifest, snapshot: id, origin: "built" });
    store.cache.save({
      links: [],
      records: [
        {
          key: "k" as never,
          result: "snapshot:55" as never,
          createdAt: 0,
          description: "",
          fields: [],
          durationMs: 0,
        },
      ],
    });
    rmSync(store.snapshots.lowers(id)[0]!, { recursive: true });
    writeFileSync(store.blobs.path(changed), "after");
    rmSync(store.blobs.path(manifest));
    mkdirSync(join(root, "v1", "snapshots", "77"));
    const problems = (await fsck(store)).map(({ kind, subject }) => `${kind} ${subject}`);
    expect(problems.sort()).toEqual([
      `blob ${changed.slice(7)}`,
      "image app",
      "image app",
      "layer 1",
      "layer 77",
      "record 1",
    ]);
    expect((await fsck(store)).find((problem) => problem.kind === "blob")?.message).toContain(
      sha256("after").slice(7),
    );
  });

  it("finds dead leases", async () => {
    const root = temporaryRoot();
    const [dead, checker] = [openAt(root), openAt(root)];
    dead.snapshots.prepare(null);
    bury(root);
    expect((await fsck(checker)).map((problem) => problem.kind)).toEqual(["lease"]);
  });
});
