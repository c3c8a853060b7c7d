import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Member, tarOf } from "./tar.ts";
import { importBusybox, missing, runOk, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: load and export: ${reason}`);

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function blob(text: string): Member {
  return { name: `blobs/sha256/${sha256(text)}`, data: text };
}

function described(text: string) {
  return {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${sha256(text)}`,
    size: text.length,
  };
}

const CONFIG = JSON.stringify({
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [] },
});
const MANIFEST = JSON.stringify({ schemaVersion: 2, config: described(CONFIG), layers: [] });

function indexOf(...manifests: readonly object[]): Member {
  return { name: "index.json", data: JSON.stringify({ schemaVersion: 2, manifests }) };
}

function listOf(image: object): Member {
  return { name: "manifest.json", data: JSON.stringify([image]) };
}

const HOSTILE: Readonly<
  Record<
    string,
    { readonly members: readonly Member[]; readonly args?: readonly string[]; readonly says: RegExp }
  >
> = {
  "a blob that is not what its name says": {
    members: [{ name: `blobs/sha256/${"0".repeat(64)}`, data: "x" }, indexOf()],
    says: /0000/,
  },
  "an index that names what is not there": {
    members: [blob(CONFIG), indexOf(described(MANIFEST))],
    says: /which is not in it/,
  },
  "a list that names a file of the host": {
    members: [listOf({ Config: "../../../../etc/passwd", Layers: [] })],
    says: /"..\/..\/..\/..\/etc\/passwd", which is not in it/,
  },
  "a config that is a link to the host": {
    members: [
      { name: "config.json", type: "symlink", target: "/etc/passwd" },
      listOf({ Config: "config.json", Layers: [] }),
    ],
    says: /"config.json", which is not in it/,
  },
  "links in a circle": {
    members: [
      { name: "a", type: "symlink", target: "b" },
      { name: "b", type: "symlink", target: "a" },
      listOf({ Config: "a", Layers: [] }),
    ],
    says: /"a", which is not in it/,
  },
  "more layers in the manifest than in the config": {
    members: [
      { name: "c.json", data: CONFIG },
      { name: "l.tar", data: "" },
      listOf({ Config: "c.json", Layers: ["l.tar"] }),
    ],
    says: /1 layers, and its config 0/,
  },
  "a layer that unpacks to another than the config says": {
    members: [
      { name: "c.json", data: CONFIG.replace("[]", `["sha256:${"1".repeat(64)}"]`) },
      { name: "l.tar", data: tarOf([{ name: "f", data: "x" }]).toString("latin1") },
      listOf({ Config: "c.json", Layers: ["l.tar"] }),
    ],
    says: /the config says sha256:1111/,
  },
  "a manifest list for other machines than is wanted": {
    args: ["--platform", "linux/amd64"],
    members: [
      blob(MANIFEST),
      blob(CONFIG),
      ((index: string) => blob(index))(JSON.stringify({ schemaVersion: 2, manifests: [foreign()] })),
      indexOf(described(JSON.stringify({ schemaVersion: 2, manifests: [foreign()] }))),
    ],
    says: /no image for linux\/amd64[\s\S]*--platform/,
  },
  "no images": { members: [indexOf()], says: /there is no image in it/ },
  "a root filesystem": { members: [{ name: "etc/passwd", data: "x" }], says: /tsbuild import FILE NAME/ },
  "a list that is none": { members: [{ name: "manifest.json", data: "{}" }], says: /not a JSON list/ },
};

function foreign() {
  return { ...described(MANIFEST), platform: { os: "linux", architecture: "s390x" } };
}

describe.skipIf(reason !== undefined)("load and export", () => {
  const world = new World();
  const other = new World();
  let id: string;
  beforeAll(async () => {
    await importBusybox(world);
    const dockerfile =
      "FROM busybox\nRUN mkdir /d && echo hi > /d/hi && rm /bin/nc\nRUN rm -r /var\nCMD cat /d/hi\n";
    const folder = world.context("app", { Dockerfile: dockerfile });
    id = (await world.ok(["build", "-q", "-t", "app:1", "-t", "team/app:2", folder])).stdout.trim();
  }, 300_000);
  afterAll(() => {
    world.close();
    other.close();
  });

  const loaded = async (bytes: Uint8Array, ...flags: readonly string[]) =>
    (await other.ok(["load", ...flags], { input: bytes })).stdout;

  test("what was saved is loaded with all its names, and is the same", async () => {
    const tar = world.path("saved.tar");
    await world.ok(["save", "-o", tar, "app:1", "team/app:2", "busybox"]);
    expect((await other.ok(["load", "-i", tar])).stdout).toBe(
      "Loaded image: app:1\nLoaded image: team/app:2\nLoaded image: busybox:latest\n",
    );
    expect((await other.ok(["inspect", "-f", "{{.Id}}", "team/app:2"])).stdout.trim()).toBe(id);
    expect((await other.ok(["run", "app:1"])).stdout).toBe("hi\n");
    // Again, out of the loaded image: layers and documents byte for byte.
    const again = other.path("again.tar");
    await other.ok(["save", "-o", again, "app:1", "team/app:2", "busybox"]);
    expect(readFileSync(again).equals(readFileSync(tar))).toBe(true);
  }, 300_000);

  test("a compressed layout without a name is known by its ID, or by --name", async () => {
    const tar = world.path("layout.tar");
    await world.ok(["build", "-q", "-o", `type=oci,compression=zstd,dest=${tar}`, world.path("app")]);
    await runOk("gzip", [tar]);
    const bytes = readFileSync(`${tar}.gz`);
    expect(await loaded(bytes)).toBe(`Loaded image ID: ${id}\n`);
    expect(await loaded(bytes, "--name", "mine:3")).toBe("Loaded image: mine:3\n");
    expect((await other.ok(["history", "mine:3", "--format", "{{.CreatedBy}}"])).stdout).toContain(
      "rm -r /var",
    );
  }, 300_000);

  test("export is the files, whiteouts applied", async () => {
    const { stdout } = await world.ok(["export", "app:1"]);
    const tar = world.path("rootfs.tar");
    await world.ok(["export", "-o", tar, "app:1"]);
    const names = (await runOk("tar", ["-tf", tar])).stdout.split("\n");
    expect(names).toContain("d/hi");
    expect(names.filter((name) => /^(var|bin\/nc$)|\.wh\./.test(name))).toEqual([]);
    expect(stdout.length).toBeGreaterThan(1_000_000);
  }, 300_000);

  test.each(Object.keys(HOSTILE))(
    "refused: %s",
    async (name) => {
      const { members, args = [], says } = HOSTILE[name]!;
      const refused = await other.tsbuild(["load", ...args], { input: tarOf(members) });
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(says);
      expect(refused.stdout).toBe("");
    },
    60_000,
  );

  test("refused: an archive that is cut, and nothing stays of it", async () => {
    const before = (await other.ok(["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])).stdout;
    const cut = other.path("cut.tar");
    writeFileSync(cut, readFileSync(world.path("saved.tar")).subarray(0, 100_000));
    const refused = await other.tsbuild(["load", cut]);
    expect(refused.stderr).toContain("it ends in the middle of a member");
    expect((await other.ok(["images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"])).stdout).toBe(before);
    expect((await other.ok(["fsck"])).code).toBe(0);
  }, 300_000);
});
