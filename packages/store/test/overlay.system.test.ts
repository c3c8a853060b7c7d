import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { fsck, overlayRefusal, prune, type Store } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { names, openAt, temporaryRoot } from "./world.ts";

/** Runs `body` on the merged view of a new layer, commits it. */
function step(store: Store, parent: SnapshotId | null, body: (view: string) => void): SnapshotId {
  const active = store.snapshots.prepare(parent);
  const { lowers, upper, work } = active;
  const mount = nativeFs.mountOverlay({ lowers, upper, work, userxattr: false });
  try {
    body(`/proc/self/fd/${mount}`);
  } finally {
    nativeFs.close(mount);
  }
  return store.snapshots.commit(active);
}

function view(store: Store, id: SnapshotId): Record<string, string> {
  const mount = nativeFs.mountOverlay({ lowers: store.snapshots.lowers(id), userxattr: false });
  try {
    const folder = `/proc/self/fd/${mount}`;
    return Object.fromEntries(
      readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]),
    );
  } finally {
    nativeFs.close(mount);
  }
}

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("overlay.system.test.ts: skipped: mounting overlays needs root");

describe.runIf(isRoot)("snapshots under overlayfs", () => {
  it("are tried out without the disk being written to its end", () => {
    const folder = temporaryRoot();
    mkdirSync(folder, { recursive: true });
    expect(overlayRefusal(nativeFs, folder, false)).toBeUndefined();
    // What the kernel marks a volatile mount by.
    expect(existsSync(join(folder, "work/work/incompat/volatile"))).toBe(true);
  });

  it("stack, hide and move as written", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const base = step(store, null, (folder) => {
      writeFileSync(join(folder, "kept"), "base");
      writeFileSync(join(folder, "gone"), "base");
    });
    const lower = step(store, base, (folder) => {
      writeFileSync(join(folder, "kept"), "changed");
      rmSync(join(folder, "gone"));
    });
    const top = step(store, lower, (folder) => writeFileSync(join(folder, "added"), "top"));
    expect(view(store, top)).toEqual({ added: "top", kept: "changed" });
    expect(view(store, base)).toEqual({ gone: "base", kept: "base" });

    const other = step(store, null, (folder) => writeFileSync(join(folder, "other"), "other"));
    const moved = store.snapshots.stack(other, (await store.snapshots.wholeLayers(top)).slice(1))!;
    expect(view(store, moved)).toEqual({ added: "top", kept: "changed", other: "other" });
    expect(await fsck(store)).toEqual([]);
    // The kernel keeps a whiteout in the work folder to link from: it goes with the trash.
    await store.close();
    expect(names(root, "trash")).toEqual([]);
  });

  it("leave nothing when pruned", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const active = store.snapshots.prepare(
      step(store, null, (folder) => writeFileSync(join(folder, "file"), "x")),
    );
    nativeFs.close(nativeFs.mountOverlay({ ...active, userxattr: false }));
    expect(existsSync(join(active.work, "work"))).toBe(true);
    await store.close();
    const next = openAt(root);
    await prune(next, { all: true });
    expect(names(root, "snapshots")).toEqual([]);
    expect(names(root, "trash")).toEqual([]);
  });
});
