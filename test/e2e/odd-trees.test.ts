import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blobPath, layoutProblems, readLayout } from "../interop/layout.ts";
import { applyLayer } from "./apply-layers.ts";
import { missing, runOk, World } from "./world.ts";

const reason = missing("cc", "tar", "umoci");
if (reason !== undefined) console.log(`skipped: odd trees: ${reason}`);

const STEPS = 5;
const CHANGES = 120;
const LIST = '["/odd-tree","list","/t"]';

/** What a step saw of its tree; without sockets, which no tar holds. */
function seenIn(log: string): string[] {
  return log.split("\n").filter((line) => line.startsWith("entry ") && !/^entry \S+ 14\d{4} /.test(line));
}

/** Lines that only one of them has: a whole tree is too long to be read in a failed test. */
function differences(found: readonly string[], expected: readonly string[]): string[] {
  const missed = expected.filter((line) => !found.includes(line)).map((line) => `missing: ${line}`);
  return [...missed, ...found.filter((line) => !expected.includes(line)).map((line) => `there: ${line}`)];
}

describe.skipIf(reason !== undefined)("odd trees in many layers", () => {
  const world = new World();
  const program = world.path("program/odd-tree");
  /** A normal user's steps know so many ids. */
  const idMax = world.user === undefined ? 4_000_000_000 : 65_536;

  beforeAll(() => {
    mkdirSync(world.path("program"));
    const source = join(import.meta.dirname, "odd-tree.c");
    execFileSync("cc", ["-static", "-O1", "-Wall", "-Wno-unused-result", "-o", program, source]);
  });
  afterAll(() => world.close());

  /**
   * Overlayfs keeps the inode number of a copied-up file in an attribute that a normal user's mounts cannot always have: to the step that
   * links such a file, both names look like files of their own. Steps after it see them as they are.
   */
  function ofStep(entries: readonly string[]): readonly string[] {
    return world.user === undefined ? entries : entries.map((entry) => entry.replace(/ is \S+$/, ""));
  }

  function dockerfile(seed: number): string {
    const steps = Array.from({ length: STEPS }, (_, step) => {
      const words = ["/odd-tree", "step", `${seed + step}`, `${CHANGES}`, "/t", `${idMax}`];
      return `RUN ${JSON.stringify(words)}`;
    });
    return ["FROM scratch", "COPY --from=program odd-tree /", ...steps, `RUN ${LIST}`].join("\n");
  }

  async function listed(root: string): Promise<string[]> {
    return seenIn((await runOk(program, ["list", `${root}/t`])).stdout);
  }

  /** What each step printed, and the last one, which only lists. */
  async function printed(env: Readonly<Record<string, string>>, seed: number): Promise<string[][]> {
    const steps = Array.from({ length: STEPS }, (_, step) => `"step","${seed + step}"`);
    const seen: string[][] = [];
    for (const step of [...steps, LIST])
      seen.push(seenIn((await world.ok(["history", "logs", "^0", step], { env })).stdout));
    return seen;
  }

  test.each([
    ["overlay", "copy", 100],
    ["copy", "overlay", 200],
  ])("are for others what the steps saw: %s, then %s, seed %i", async (snapshotter, other, seed) => {
    const env = { TSBUILD_SNAPSHOTTER: snapshotter, TSBUILD_ROOT: world.path(`state-${seed}`) };
    const folder = world.context(`context-${seed}`, { Dockerfile: dockerfile(seed) });
    const [layout, tar] = [world.path(`layout-${seed}`), world.path(`tree-${seed}.tar`)];
    const toLayout = ["-o", `type=oci,tar=false,compression=uncompressed,dest=${layout}`];
    const outputs = ["-t", "odd:1", ...toLayout, "-o", `type=tar,dest=${tar}`];
    const named = ["--build-context", `program=${world.path("program")}`];
    await world.ok(["build", "--progress=plain", ...named, ...outputs, folder], { env });
    expect(await layoutProblems(layout)).toEqual([]);
    const seen = await printed(env, seed);
    const last = seen.at(-1) ?? [];
    expect(last.length).toBeGreaterThan(40);

    const elsewhere = { TSBUILD_SNAPSHOTTER: other, TSBUILD_ROOT: world.path(`other-${seed}`) };
    await runOk("tar", ["-C", layout, "-cf", `${layout}.tar`, "."]);
    await world.ok(["load", "-i", `${layout}.tar`], { env: elsewhere });
    const { stdout } = await world.ok(["run", "odd:1", "/odd-tree", "list", "/t"], { env: elsewhere });
    expect(differences(seenIn(stdout), last), "loaded again").toEqual([]);

    // From here on tsbuild is not called: what it is called for as a user is given to that user first.
    const root = world.path(`root-${seed}`);
    mkdirSync(root);
    for (const [at, { digest }] of readLayout(layout).manifest.layers.entries()) {
      await applyLayer(blobPath(layout, digest), root, world.path(`layer-${seed}-${at}`));
      if (at === 0) continue;
      const found = ofStep(await listed(root));
      expect(differences(found, ofStep(seen[at - 1] ?? [])), `layer ${at}`).toEqual([]);
    }
    expect(differences(await listed(root), last), "all layers").toEqual([]);

    await runOk("umoci", ["unpack", "--image", `${layout}:1`, world.path(`bundle-${seed}`)]);
    expect(differences(await listed(world.path(`bundle-${seed}/rootfs`)), last), "umoci").toEqual([]);

    mkdirSync(world.path(`tree-${seed}`));
    await applyLayer(tar, world.path(`tree-${seed}`), world.path(`scratch-${seed}`));
    expect(differences(await listed(world.path(`tree-${seed}`)), last), "tar").toEqual([]);
  });
});
