/** Images of a registry that lies: layers made to get out of their root, to fill the machine, or to be what their digests do not say. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Member, paxRecord, tarOf } from "../e2e/tar.ts";
import { AttackWorld, type Attempt, skipReason } from "./support/attack.ts";

const reason = skipReason("layers.test.ts", "mount");

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
const UP = "../".repeat(12);

/** Documents say this of a layer instead of the truth. */
interface Lies {
  readonly sizeBytes?: number;
  readonly diffId?: string;
  readonly mediaType?: string;
}

describe.skipIf(reason !== undefined)("a hostile layer", () => {
  const world = new AttackWorld();
  let registry: TestRegistry;
  let base: Buffer;
  let count = 0;
  beforeAll(async () => {
    await world.start();
    registry = await startRegistry();
    base = readFileSync(world.path("busybox.tar"));
  });
  afterAll(async () => {
    await registry.close();
    world.close();
  });

  /** Publishes busybox with one more layer; returns its name. */
  function publish(layer: Buffer, lies: Lies = {}): string {
    const repository = `evil-${count++}`;
    const sha256 = (bytes: Uint8Array): string =>
      `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    const rootfs = { type: "layers", diff_ids: [sha256(base), lies.diffId ?? sha256(layer)] };
    const config = Buffer.from(
      JSON.stringify({ architecture: "amd64", os: "linux", config: { Env: ["PATH=/bin"] }, rootfs }),
    );
    const described = (bytes: Buffer, mediaType: string, size = bytes.length) => ({
      mediaType,
      digest: registry.blob(bytes),
      size,
    });
    const document = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: described(config, CONFIG),
      layers: [described(base, LAYER), described(layer, lies.mediaType ?? LAYER, lies.sizeBytes)],
    };
    registry.manifest(repository, "latest", document, MANIFEST);
    return `${registry.host}/${repository}`;
  }

  async function pull(
    layer: Buffer,
    run: string,
    lies?: Lies,
    env: Record<string, string> = {},
  ): Promise<Attempt> {
    const attempt = await world.attempt([`FROM ${publish(layer, lies)}`, `RUN ${run}`], [], { env });
    expect(attempt.log).not.toContain(world.text);
    expect(world.isIntact).toBe(true);
    expect(readdirSync(world.outside).sort()).toEqual(["busybox", "empty", "precious"]);
    expect(readdirSync(join(world.outside, "empty"))).toEqual([]);
    return attempt;
  }

  const out: Member = { name: "s", type: "symlink", target: world.outside };

  // Fails when a name is joined to the root's, or `..` and a leading slash are taken as they are.
  test("names with .., ./../ and a slash in front are names in the root, in layers and in archives of ADD", async () => {
    const names = ["../up", "/abs", "./../dot", "in/../../../mid", `${UP}${world.outside.slice(1)}/planted`];
    const tar = tarOf(names.map((name) => ({ name, data: `of ${name.split("/").at(-1)}\n` })));
    const look = (root: string): string =>
      ["up", "abs", "dot", "mid", `${world.outside.slice(1)}/planted`]
        .map((name) => `${root}/${name}`)
        .join(" ");
    const pulled = await pull(tar, `cat ${look("")}`);
    const added = await world.attempt(["FROM busybox", "ADD x.tar /x/", `RUN cat ${look("/x")}`], [], {
      files: { "x.tar": tar },
    });
    for (const { code, log } of [pulled, added]) {
      expect(code, log).toBe(0);
      for (const name of ["up", "abs", "dot", "mid", "planted"])
        expect(log).toMatch(new RegExp(`^#\\d+ [\\d.]+ of ${name}$`, "m"));
    }
  });

  // Fails when a whiteout's name is joined to its folder's unseen, or either is followed through a link.
  test.each<[string, Member[], RegExp | undefined]>([
    ["of the folder above", [{ name: "d/.wh..." }], /the whiteout "d\/\.wh\.\.\." has no name/],
    ["of the folder itself", [{ name: "d/.wh.." }], /has no name/],
    ["of nothing", [{ name: ".wh." }], /has no name/],
    ["through a link", [out, { name: "s/.wh.precious" }], undefined],
    ["of all, through a link", [out, { name: "s/.wh..wh..opq" }], undefined],
    ["by an absolute name", [{ name: `${world.outside}/.wh.precious` }], undefined],
    ["up and away", [{ name: `${UP}${world.outside.slice(1)}/.wh.precious` }], undefined],
  ])("a whiteout %s hides and removes nothing outside", async (_what, members, refused) => {
    const { log } = await pull(tarOf(members), "ls /; true");
    if (refused !== undefined) expect(log).toMatch(refused);
  });

  // Fails when a hard link's target, or the folder that it lies in, is looked up from the host's root.
  test("hard links reach no file of the host: absolute, upwards, through linked folders", async () => {
    const targets: Member[][] = [
      [{ name: "h", type: "link", target: world.precious }],
      [{ name: "h", type: "link", target: `${UP}${world.precious.slice(1)}` }],
      [out, { name: "h", type: "link", target: "s/precious" }],
      [out, { name: "s/empty/h", type: "link", target: "bin/busybox" }],
      [
        { name: "m", type: "symlink", target: `/proc/self/root${world.outside}` },
        { name: "h", type: "link", target: "m/precious" },
      ],
    ];
    for (const members of targets) await pull(tarOf(members), "cat /h; true");
    // An absolute target is one of the root.
    const own = await pull(
      tarOf([
        { name: "a", data: "own\n" },
        { name: "h", type: "link", target: "/a" },
      ]),
      "cat /h",
    );
    expect(own.log).toMatch(/^#\d+ [\d.]+ own$/m);
  });

  // Fails when device nodes of layers open: a layer is unpacked by root, who may make them.
  test("device nodes of a layer open nothing of the host", async () => {
    const nodes: Member[] = [
      { name: "mem", type: "char", device: [1, 1], mode: 0o666 },
      { name: "disk", type: "block", device: [7, 0], mode: 0o666 },
      { name: "vda", type: "block", device: [254, 0], mode: 0o666 },
      { name: "null", type: "char", device: [1, 3], mode: 0o666 },
    ];
    const { log, code } = await pull(
      tarOf(nodes),
      "for n in mem disk vda; do (exec 3< /$n) 2> /dev/null && echo opened $n; done; echo tried $(ls -l /mem | cut -c1)",
    );
    expect(code, log).toBe(0);
    expect(log).toMatch(/tried c$/m);
    expect(log).not.toMatch(/^#\d+ [\d.]+ opened/m);
  });

  /*
   * Fails when a length or a size is believed: paths of more than 4095 bytes, headers of more than 1 MiB, sparse files of any size, and
   * data that ends early are refused, each with its bound.
   */
  test.each<[string, Member[], RegExp]>([
    [
      "a path 10,000 folders deep",
      [{ name: "p", type: "pax", data: paxRecord("path", `${"a/".repeat(10_000)}f`) }, { name: "x" }],
      /path of 20001 bytes .*; Linux takes 4095/,
    ],
    [
      "a header that claims 4 GiB",
      [{ name: "p", type: "pax", data: "x", claimedBytes: 2 ** 32 - 1 }],
      /more than 1048576 bytes of names or attributes/,
    ],
    [
      "a header of 2 MiB",
      [{ name: "p", type: "pax", data: paxRecord("comment", "x".repeat(2 ** 21)) }, { name: "x" }],
      /more than 1048576 bytes of names or attributes/,
    ],
    [
      "a sparse file of a petabyte (PAX)",
      [
        {
          name: "p",
          type: "pax",
          data:
            paxRecord("GNU.sparse.major", "1") +
            paxRecord("GNU.sparse.minor", "0") +
            paxRecord("GNU.sparse.realsize", String(2 ** 50)),
        },
        { name: "x", data: "1\n0\n1\n" },
      ],
      /"x" is a sparse file/,
    ],
    ["a sparse file (GNU)", [{ name: "x", type: "sparse", data: "x" }], /"x" is of an unknown kind/],
    [
      "a member that claims 8 GiB",
      [{ name: "x", data: "x", claimedBytes: 2 ** 33 - 1 }],
      /it ends in the middle of a member/,
    ],
  ])("%s is refused", async (_what, members, message) => {
    const { code, log } = await pull(tarOf(members), "true");
    expect(code, log).toBe(1);
    expect(log).toMatch(message);
  });

  // Fails when a layer or blob is used before it was compared with what names it, or kept after it failed.
  test("what is not what its documents say is used by nobody, also not by the next", async () => {
    // Each a layer of its own: one that is here with its digest is not fetched again, whatever is said of it.
    const layers = [0, 1, 2, 3].map((n) => tarOf([{ name: "planted", data: `x${n}` }]));
    const sizeBytes = layers[0]?.length ?? 0;
    const lies: [Lies, RegExp][] = [
      [
        { diffId: `sha256:${"ab".repeat(32)}` },
        /it unpacks to sha256:[0-9a-f]+, the config says sha256:abab/,
      ],
      [{ sizeBytes: sizeBytes - 512 }, /must have \d+ bytes|more than/],
      [{ sizeBytes: sizeBytes + 512 }, /must have \d+ bytes|bytes \d+- of \d+/],
      [{ diffId: "sha256:../../../../etc" }, /is not sha256:/],
    ];
    for (const [index, [lie, message]] of lies.entries()) {
      const { code, log } = await pull(layers[index] as Buffer, "ls /planted", lie);
      expect(code, log).toBe(1);
      expect(log).toMatch(message);
    }
  });

  /*
   * Fails when a full disk is not told, or what was unpacked stays. gzip gives at most 1,032 times what it takes, which is below the bound
   * on decompression (1,100 times, from 2 GiB on): the bound of a gzip bomb is the room that there is.
   */
  test("a gzip bomb in a small state folder fills it, is reported as that, and leaves it usable", {
    timeout: 300_000,
  }, async () => {
    const room = world.path("room");
    mkdirSync(room);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=96m", "tmpfs", room]);
    try {
      const env = { TSBUILD_ROOT: join(room, "state") };
      const noise = createHash("sha256").update("seed").digest();
      // No zeros: those become holes, which take no room.
      const tar = tarOf([{ name: "bomb", data: Buffer.alloc(192 * 1024 * 1024, noise) }]);
      const bomb = gzipSync(tar, { level: 1 });
      expect(bomb.length).toBeLessThan(4 * 1024 * 1024);
      const diffId = `sha256:${createHash("sha256").update(tar).digest("hex")}`;
      const { code, log } = await pull(bomb, "true", { diffId, mediaType: `${LAYER}+gzip` }, env);
      expect(code, log).toBe(1);
      expect(log).toMatch(/no space left|disk is full|TSB_DISK_FULL/i);
      const next = await pull(tarOf([{ name: "small", data: "x" }]), "cat /small", {}, env);
      expect(next.code, next.log).toBe(0);
    } finally {
      execFileSync("umount", ["-l", room]);
    }
  });

  // Fails when the documents of a cache are followed without a look: cycles hang, digests are believed, layers leave their root.
  test("an imported cache with cycles, lying digests and a hostile layer costs a miss, no more", async () => {
    const folder = world.context("cached", {
      Dockerfile: "FROM busybox\nRUN echo built > /built\nRUN cat /built\n",
    });
    const cache = world.path("cache");
    await world.ok(["build", "--progress=plain", `--cache-to=type=local,dest=${cache}`, folder]);
    const blobs = join(cache, "blobs/sha256");
    const put = (document: unknown): { digest: string; size: number } => {
      const bytes = Buffer.from(JSON.stringify(document));
      const hex = createHash("sha256").update(bytes).digest("hex");
      writeFileSync(join(blobs, hex), bytes);
      return { digest: `sha256:${hex}`, size: bytes.length };
    };
    const read = (digest: string) =>
      JSON.parse(readFileSync(join(blobs, digest.slice("sha256:".length)), "utf8"));
    const index = JSON.parse(readFileSync(join(cache, "index.json"), "utf8"));
    const manifest = read(index.manifests[0].digest);
    // A manifest of layers and a config, or an index of both: the last is the document with the records.
    const listed = manifest.layers ?? manifest.manifests;
    const config = manifest.config ?? listed.at(-1);
    const records = read(config.digest);
    const hostile = tarOf([out, { name: "s/empty/planted", data: "x" }, { name: "s/.wh.precious" }]);
    const cyclic = {
      ...records,
      records: records.records.map((record: object, at: number) => ({
        ...record,
        inputs: [[{ link: (at + 1) % records.records.length }]],
      })),
    };
    for (const lie of ["cycles", "layers"]) {
      if (lie === "layers") {
        for (const name of readdirSync(blobs)) {
          const bytes = readFileSync(join(blobs, name));
          if (bytes[0] !== 0x7b) writeFileSync(join(blobs, name), hostile);
        }
      }
      const told = put(lie === "cycles" ? cyclic : records);
      const lying = JSON.parse(
        JSON.stringify(manifest)
          .replaceAll(config.digest, told.digest)
          .replaceAll(`"size":${config.size}`, `"size":${told.size}`),
      );
      const entry = { ...index.manifests[0], ...put(lying) };
      writeFileSync(join(cache, "index.json"), JSON.stringify({ ...index, manifests: [entry] }));
      const env = { TSBUILD_ROOT: world.path(`state-${lie}`) };
      await world.ok(["import", world.path("busybox.tar"), "busybox"], { env });
      const { code, stderr } = await world.tsbuild(
        ["build", "--progress=plain", `--cache-from=type=local,src=${cache}`, folder],
        { env, killAfterMs: 100_000 },
      );
      expect(code, `${lie}: ${stderr}`).toBe(0);
      expect(stderr).toMatch(/^#\d+ [\d.]+ built$/m);
      expect(world.isIntact).toBe(true);
      expect(readdirSync(join(world.outside, "empty"))).toEqual([]);
    }
  });
});
