import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import type { CopyAction, FileAction } from "@tsbuild/llb";
import { openStore, refForSnapshot, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COPY, diffId, runActions } from "./support/copies.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: files copied without an overlay: needs root");

const EPOCH = 1_600_000_000;

/** Removes nothing; but an op of two actions goes through an overlay. */
const NOTHING: FileAction["action"] = {
  type: "rm",
  path: "/none",
  allowNotFound: true,
  allowWildcard: false,
};

const SOURCE = `
mkdir -p d/e many; echo one > one; echo two > two; chmod 4751 two; chown 7:8 two
echo noted > noted; setfattr -n user.note -v x noted; ln -s one link; echo deep > d/e/deep; ln one again
for i in a b c; do echo $i > many/$i; done; mkfifo pipe
find . -exec touch -h -d @1500000000 {} +`;

/** Two layers: what the second takes away and replaces must not show through. */
const BASE = [
  `mkdir -p full/deep gone replaced etc; echo old > full/old; echo x > gone/x; echo x > replaced/x
   echo root:x:0:0::/:/bin/sh > etc/passwd; echo me:x:71:72::/:/bin/sh >> etc/passwd
   chmod 710 full; chown 5:6 full/deep; setfattr -n user.kept -v y full/deep
   find . -exec touch -h -d @1400000000 {} +`,
  `rm -r gone replaced; mkdir replaced; echo y > replaced/y; ln -s full to-full; ln -s /nowhere/at/all broken
   ln -s full/old to-old; find . -exec touch -h -d @1450000000 {} +`,
];

const ACTIONS: readonly (readonly [string, boolean, Partial<CopyAction>])[] = [
  ["to a free name", true, { src: "/one", dest: "/new" }],
  ["with mode, owner, attribute", true, { src: "/two", dest: "/new" }],
  ["with an attribute", true, { src: "/noted", dest: "/full/noted" }],
  ["into a folder", true, { src: "/one", dest: "/full/" }],
  ["into a folder that is not written as one", true, { src: "/one", dest: "/full" }],
  ["into a folder in a folder", true, { src: "/one", dest: "/full/deep/" }],
  ["into new folders", true, { src: "/one", dest: "/full/a/b/" }],
  [
    "under a new name in new folders, which take its owner",
    true,
    { src: "/one", dest: "/full/a/b/name", mode: 0o604, owner: { user: { id: 3 }, group: { id: 4 } } },
  ],
  [
    "with an owner that the base names",
    true,
    { src: "/one", dest: "/new", owner: { user: { name: "me", input: 0 } } },
  ],
  ["through a link", true, { src: "/one", dest: "/to-full/one" }],
  ["to where a link leads that leads nowhere", true, { src: "/one", dest: "/broken" }],
  ["several", true, { src: "/many/*", dest: "/full/deep/" }],
  ["where a folder was removed", true, { src: "/one", dest: "/gone/x" }],
  ["where a folder was replaced", true, { src: "/one", dest: "/replaced/x" }],
  ["with a time of its own", true, { src: "/one", dest: "/gone/", timestampNs: 1_300_000_000_000_000_000n }],
  ["of a stage's depth", true, { src: "/d/e/deep", dest: "/" }],
  ["onto a file", false, { src: "/one", dest: "/full/old" }],
  ["onto a file by a link", false, { src: "/one", dest: "/to-old" }],
  ["a link", false, { src: "/link", dest: "/new", followSymlink: false }],
  ["a pipe", false, { src: "/pipe", dest: "/new" }],
  ["files beside a folder", false, { src: "/*", dest: "/full/", dirCopyContents: false }],
  ["that may be an archive", false, { src: "/one", dest: "/new", attemptUnpackDockerCompatibility: true }],
];

describe.skipIf(!isRoot)("a file that is copied", () => {
  let folder: string;
  let store: Store;
  let base: SnapshotId;
  let source: SnapshotId;

  async function layer(parent: SnapshotId | null, script: string): Promise<SnapshotId> {
    const view = await store.views.prepare(parent);
    execFileSync("sh", ["-euc", script], {
      cwd: `/proc/self/fd/${view.root}`,
      stdio: ["ignore", "ignore", "pipe", ...fds(view.root)],
    });
    return view.commit();
  }

  /** So that the child has it under the same number. */
  function fds(root: number): ("ignore" | number)[] {
    return Array.from({ length: root - 2 }, (_, i) => (i + 3 === root ? root : ("ignore" as const)));
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-direct-"));
    store = openStore({ root: join(folder, "state"), snapshotter: "overlay" });
    source = await layer(null, SOURCE);
    base = await layer(await layer(null, BASE[0]!), BASE[1]!);
  });
  afterAll(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The layer's digest, or what kept it from being made; and whether a layer was written through an overlay. */
  async function run(action: Partial<CopyAction>, more: readonly FileAction["action"][]) {
    const inputs = [refForSnapshot(store, base), refForSnapshot(store, source)];
    const actions = [{ ...COPY, ...action }, ...more].map((one, i) => ({
      input: i === 0 ? 0 : i + 1,
      secondaryInput: i === 0 ? 1 : -1,
      output: i === more.length ? 0 : -1,
      action: one,
    }));
    let written = 0;
    const { views } = store;
    const watched: Store = {
      ...store,
      views: {
        kind: () => views.kind(),
        open: (...args) => views.open(...args),
        prepare: (...args) => {
          written += 1;
          return views.prepare(...args);
        },
      },
    };
    const outcome = await runActions(watched, inputs, actions).then(
      (id) => diffId(store, id, EPOCH),
      (error: unknown) => String(error),
    );
    return { outcome, throughOverlay: written > 0 };
  }

  test.each(ACTIONS)("%s makes the layer that an overlay makes", async (_name, isDirect, action) => {
    const direct = await run(action, []);
    const other = await run(action, [NOTHING]);
    expect(other.throughOverlay).toBe(true);
    expect(direct).toEqual({ outcome: other.outcome, throughOverlay: !isDirect });
    expect(direct.outcome).toMatch(/^sha256:/);
  });

  test.each([
    ["below a file", { src: "/one", dest: "/full/old/x" }],
    ["several onto one name", { src: "/many/*", dest: "/new" }],
    ["that is not there", { src: "/none", dest: "/new", allowWildcard: false }],
  ] as const)("fails as ever: %s", async (_name, action) => {
    const direct = await run(action, []);
    const other = await run(action, [NOTHING]);
    expect(direct.outcome).toBe(other.outcome);
    expect(direct.outcome).not.toMatch(/^sha256:/);
  });
});
