import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest, SnapshotId } from "@tsbuild/base";
import type { CacheKeyId } from "@tsbuild/solver";
import { fsck, prune, type Store } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { names, openAt, temporaryRoot } from "./world.ts";

const WORKER = join(import.meta.dirname, "crash-worker.ts");
const AT_ONCE = 3;

interface Worker {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly errors: string[];
}

function start(root: string, mode: string): Worker {
  const child = spawn(process.execPath, [WORKER, root, mode], { stdio: ["ignore", "pipe", "pipe"] });
  const lines: string[] = [];
  const errors: string[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = `${rest}${text}`.split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  return { child, lines, errors };
}

/** Lets it do a few things, however long that takes here, and then work for a random while, then kills it. */
async function killSometime(worker: Worker): Promise<void> {
  const lines = 1 + Math.floor(Math.random() * 6);
  while (worker.lines.length < lines && worker.child.exitCode === null) await sleep(5);
  await sleep(Math.random() * 250);
  const gone = once(worker.child, "close");
  const alive = worker.child.kill("SIGKILL");
  if (alive) await gone;
  expect(worker.errors.join("")).toBe("");
  expect(worker.child.signalCode).toBe("SIGKILL");
}

/** Kills `kills` workers, some at work at any time. Returns what they told to be done. */
async function slaughter(root: string, mode: string, kills: number): Promise<string[]> {
  const told: string[] = [];
  let left = kills;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const worker = start(root, mode);
      await killSometime(worker);
      told.push(...worker.lines);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return told;
}

function isThere(store: Store, line: string): boolean {
  const [what = "", name = ""] = line.split(" ");
  switch (what) {
    case "snapshot":
      return store.snapshots.lowers(name as SnapshotId).length > 0;
    case "record": {
      const [record] = store.cache.records(name as CacheKeyId);
      return record !== undefined && store.cache.load(record) !== undefined;
    }
    case "blob":
      return store.blobs.has(name as Digest);
    case "image":
      return store.images.get(name) !== undefined;
    default:
      return what === "ready";
  }
}

describe("kill -9", () => {
  it("loses nothing that was finished, and the next open collects the rest", async () => {
    const root = temporaryRoot();
    const told = await slaughter(root, "keep", 30);
    expect(told.filter((line) => line.startsWith("record ")).length).toBeGreaterThan(10);
    const store = openAt(root);
    expect(await fsck(store)).toEqual([]);
    expect(names(root, "leases")).toEqual([]);
    expect(told.filter((line) => !isThere(store, line))).toEqual([]);
    await prune(store, { all: false });
    expect(names(root, "trash")).toEqual([]);
  });

  it("leaves a sound folder while others collect", async () => {
    const root = temporaryRoot();
    await slaughter(root, "collect", 30);
    const store = openAt(root);
    expect(await fsck(store)).toEqual([]);
    expect(names(root, "leases")).toEqual([]);
    for (const image of store.images.list()) store.images.remove(image.name);
    await prune(store, { all: true });
    expect(await fsck(store)).toEqual([]);
    for (const folder of ["snapshots", "blobs/sha256", "cache-mounts", "trash"]) {
      expect([folder, names(root, folder)]).toEqual([folder, []]);
    }
  });

  it("frees the lock of the dead", async () => {
    const root = temporaryRoot();
    await slaughter(root, "keep", 3);
    const store = openAt(root);
    for (const name of ["lock-0", "lock-1", "lock-2"]) {
      (await store.locks.acquire(name, AbortSignal.timeout(1000))).release();
    }
  });
});
