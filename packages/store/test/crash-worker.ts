/**
 * Works on a state folder until it is killed: `node crash-worker.ts ROOT MODE`. MODE `keep` never collects, and each line on
 * standard output names something that must be there from then on; `collect` also prunes and reopens.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type SnapshotId, sha256 } from "@tsbuild/base";
import type { CacheKeyId, ResultId } from "@tsbuild/solver";
import { openStore, prune, type Store } from "@tsbuild/store";

const [root = "", mode = "keep"] = process.argv.slice(2);
const signal = new AbortController().signal;
let store: Store = openStore({ root });
let top: SnapshotId | null = null;
let depth = 0;

function tell(what: string, name: string): void {
  // Written at once: a line that is out speaks of something that is done.
  writeFileSync(1, `${what} ${name}\n`);
}

async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 4; i++) {
    yield Buffer.alloc(8192, Math.floor(Math.random() * 256));
    await sleep(1);
  }
}

function build(): void {
  if (depth > 10 || (top !== null && !store.snapshots.exists(top))) {
    top = null;
    depth = 0;
  }
  const active = store.snapshots.prepare(top);
  writeFileSync(join(active.upper, "file"), "content");
  writeFileSync(join(active.work, "left"), "");
  top = store.snapshots.commit(active);
  depth += 1;
  tell("snapshot", top);
  const key = sha256(`${process.pid} ${Math.random()}`) as string as CacheKeyId;
  const link = { op: sha256("op"), output: 0, input: 0, selector: "" };
  const result = `snapshot:${top}` as ResultId;
  const record = { key, result, createdAt: Date.now(), description: "step", fields: [], durationMs: 1 };
  store.cache.save({ links: [{ parent: "root" as CacheKeyId, link, child: key }], records: [record] });
  store.cache.flush?.();
  tell("record", key);
}

/** A patch of the last layer, put together or not yet. */
async function patch(): Promise<void> {
  if (top === null || !store.snapshots.exists(top)) return;
  const active = store.snapshots.prepare(top, { patch: true });
  writeFileSync(join(active.upper, "patched"), "");
  const patched = store.snapshots.commit(active);
  tell("snapshot", patched);
  if (Math.random() < 0.7) await store.snapshots.wholeLayers(patched);
}

async function move(): Promise<void> {
  if (top !== null && store.snapshots.exists(top))
    tell("snapshot", store.snapshots.stack(null, (await store.snapshots.wholeLayers(top)).slice(-2))!);
}

function name(): void {
  const manifest = store.blobs.write(Buffer.from(JSON.stringify({ layers: [], random: Math.random() })));
  const snapshot = top !== null && store.snapshots.exists(top) ? top : null;
  const image = `app-${process.pid % 7}`;
  store.images.put({ name: image, manifest, config: manifest, snapshot, origin: "built" });
  tell("image", image);
}

async function mountCache(): Promise<void> {
  const request = {
    id: `cache-${process.pid % 3}`,
    sharing: "locked",
    reset: Math.random() < 0.3,
    signal,
  } as const;
  const mount = await store.cacheMounts.acquire(request);
  writeFileSync(join(mount.folder, "file"), "");
  mount.release();
}

async function collect(): Promise<void> {
  if (mode === "collect") await prune(store, { all: Math.random() < 0.3 });
}

async function reopen(): Promise<void> {
  if (mode !== "collect") return;
  await store.close();
  store = openStore({ root });
}

const actions: readonly (() => unknown)[] = [
  build,
  build,
  build,
  move,
  patch,
  name,
  mountCache,
  collect,
  reopen,
  () => store.snapshots.discard(store.snapshots.prepare(null)),
  () => writeFileSync(join(store.temporaryFolder(), "file"), "x"),
  () => store.memo.set("kind", String(Math.random()), Buffer.alloc(100)),
  async () => tell("blob", (await store.blobs.ingest(pieces())).digest),
  async () => (await store.locks.acquire(`lock-${Math.floor(Math.random() * 3)}`, signal)).release(),
];

tell("ready", String(process.pid));
for (;;) {
  await actions[Math.floor(Math.random() * actions.length)]!();
  await sleep(0);
}
