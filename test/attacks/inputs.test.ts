/** Contexts, Dockerfiles, archives and images that are made to hang, fill or mislead. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { paxRecord, tarOf } from "../e2e/tar.ts";
import { AttackWorld, skipReason } from "./support/attack.ts";

const reason = skipReason("inputs.test.ts", "mkfifo");

/** A build that waits for a pipe would wait for ever. */
const PATIENCE = { killAfterMs: 20_000 };
const ESCAPE = "\u001b";

describe.skipIf(reason !== undefined)("hostile inputs", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  describe("pipes in place of files are refused, not waited for", () => {
    // Fails when one of them is opened without O_NONBLOCK, or read before it is known to be a plain file.
    test.each([
      ["Dockerfile", []],
      [".dockerignore", []],
      ["index.json", ["--build-context=busybox=oci-layout://CONTEXT"]],
    ])("%s", async (name, flags) => {
      const folder = world.context(
        `pipe-${name}`,
        name === "Dockerfile" ? {} : { Dockerfile: "FROM busybox" },
      );
      mkdirSync(folder, { recursive: true });
      execFileSync("mkfifo", [join(folder, name)]);
      const given = flags.map((flag) => flag.replace("CONTEXT", folder));
      const { code, log } = await world.attemptFolder(folder, given, PATIENCE);
      expect(log).toMatch(/is a device, pipe or socket|is not a file/);
      expect(code).toBeLessThan(3);
    });

    // Fails when a Dockerfile is read to its end instead of to its limit.
    test("a Dockerfile without end is cut off", async () => {
      const folder = world.context("endless", { x: "" });
      const { log } = await world.attemptFolder(folder, ["-f", "/dev/zero"], PATIENCE);
      expect(log).toMatch(/has more than \d+ bytes/);
    });

    // Fails when files of the image are opened without a look at what they are, or read without a limit.
    test("passwd and group: pipes, devices, links out of the image, more than is sane", async () => {
      for (const make of [
        "mkfifo /etc/passwd",
        "mknod /etc/passwd c 1 5",
        "ln -s /proc/self/fd/0 /etc/passwd",
      ]) {
        const text = ["FROM busybox", `RUN rm /etc/passwd && ${make}`, "USER alice", "RUN id"];
        const { code, log } = await world.attempt(text, [], PATIENCE);
        expect(code, `${make}\n${log}`).toBe(1);
      }
      const linked = ["FROM busybox", "RUN ln -sf /etc/shadow-of-nobody /etc/passwd", "USER 0", "RUN id -u"];
      expect((await world.attempt(linked, [], PATIENCE)).code).toBe(0);
      // The user is in it, before all that is too much.
      const huge =
        "RUN grep -q ^alice: /etc/passwd && dd if=/dev/zero bs=1M count=64 >> /etc/passwd 2> /dev/null";
      const { code } = await world.attempt(["FROM busybox", huge, "USER alice", "RUN id"], [], PATIENCE);
      expect(code).toBe(1);
    });
  });

  // Fails when the file of a context that was sent is opened by its path in the folder that it was unpacked to.
  test("a link named Dockerfile or .dockerignore leads nowhere out of a context that a stranger sent", async () => {
    for (const name of ["Dockerfile", ".dockerignore"]) {
      const members = [
        { name, type: "symlink" as const, target: world.precious },
        ...(name === "Dockerfile" ? [] : [{ name: "Dockerfile", data: "FROM busybox\n" }]),
      ];
      const sent = await world.tsbuild(["build", "--progress=plain", "-"], { input: tarOf(members) });
      expect(sent.stdout + sent.stderr).not.toContain(world.text);
    }
    // Canary: in a folder of the user's own such a link is followed.
    const folder = world.context("own", {});
    mkdirSync(folder, { recursive: true });
    symlinkSync(world.precious, join(folder, "Dockerfile"));
    expect((await world.attemptFolder(folder)).log).toContain(world.text);
  });

  // Fails when the length of a name is left to the kernel, which says it after folders were made.
  test("a path ten thousand folders deep is refused at once, in every archive", async () => {
    const name = `${"a/".repeat(10_000)}f`;
    const pax = { name: "pax", type: "pax" as const, data: paxRecord("path", name) };
    const deep = tarOf([pax, { name: "short", data: "x" }]);
    const file = world.path("deep.tar");
    writeFileSync(file, deep);
    const added = await world.attempt("FROM busybox\nADD deep.tar /x/\n", [], {
      files: { "deep.tar": deep },
      ...PATIENCE,
    });
    const imported = await world.tsbuild(["import", file, "deep"], PATIENCE);
    const sent = await world.tsbuild(["build", "--progress=plain", "-"], { input: deep, ...PATIENCE });
    for (const log of [added.log, imported.stderr, sent.stderr])
      expect(log).toMatch(/path of 20001 bytes .*; Linux takes 4095/);
  });

  // Fails when decompression is bounded by the disk only, or what was unpacked stays.
  test("a small file that decompresses without end is refused and leaves nothing", async () => {
    // 3 GiB of zeros in frames of 32 MiB: about 300 kB.
    const frame = zstdCompressSync(Buffer.alloc(32 * 1024 * 1024));
    const size = 3 * 1024 * 1024 * 1024;
    const header = tarOf([{ name: "zeros", data: "" }]).subarray(0, 512);
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    const bomb = Buffer.concat([zstdCompressSync(header), ...Array.from({ length: 96 }, () => frame)]);
    expect(bomb.length).toBeLessThan(1024 * 1024);
    const { code, log } = await world.attempt("FROM busybox\nADD bomb.tar /x/\n", [], {
      files: { "bomb.tar": bomb },
    });
    expect(log).toMatch(/a decompression bomb/);
    expect(code).toBe(1);
    await world.settled();
    expect(Number(execFileSync("du", ["-sk", world.root], { encoding: "utf8" }).split("\t")[0])).toBeLessThan(
      100_000,
    );
  });

  // Fails when device nodes open in a step: without the devices group and with mounts that allow them.
  test("devices and set-user-id programs of archives give a step nothing that it had not", async () => {
    const members = [
      { name: "mem", type: "char" as const },
      { name: "su", data: "x", mode: 0o4755 },
    ];
    const { log } = await world.attempt(
      [
        "FROM busybox",
        "ADD dev.tar /d/",
        "RUN mknod /d/disk b 7 0; cat /d/mem /d/disk > /dev/null && echo OPENED; true",
      ],
      [],
      { files: { "dev.tar": tarOf(members) } },
    );
    expect(log.split("\n").filter((line) => / OPENED$/.test(line))).toEqual([]);
  });

  // Fails when output, names or messages are printed with their escape sequences.
  test("text of strangers does not reach a terminal as more than text", async () => {
    const evil = `${ESCAPE}]0;title\u0007${ESCAPE}[2J\u009b31mX`;
    const attempts = [
      await world.attempt(`FROM busybox\nRUN echo '${evil}'; ls /x; printf '\\033[2J\\033]0;t\\007'\n`),
      await world.attempt(`FROM busybox\nCOPY "${evil}" /\n`),
      await world.attempt(`FROM "${evil}"\n`),
      await world.attempt(`FROM busybox AS "${evil}"\n${evil} x\n`),
      await world.attempt(`FROM busybox\nLABEL a="${evil}"\nRUN false # ${evil}\n`),
    ];
    for (const { log } of attempts) expect(log).not.toMatch(/[\u001b\u0007\u009b]/);
    // Canary: the text was there.
    expect(attempts[0]?.log).toContain("X");
  });

  // Fails when a file of the user's is packed under a whiteout's name, which the next to unpack it takes for one.
  test("files named like whiteouts are files, and hide nothing in the image that they are packed into", async () => {
    const folder = world.context("whiteouts", {
      Dockerfile: "FROM busybox\nRUN mkdir /d && echo kept > /d/kept\nCOPY names /d/\n",
      "names/.wh.kept": "",
      "names/.wh..wh..opq": "",
      "names/.wh.": "",
      "names/.wh..": "",
    });
    const layout = world.path("whiteouts.oci");
    await world.ok(["build", "-o", `type=oci,tar=false,dest=${layout}`, folder]);
    const again = await world.attempt("FROM packed\nRUN cat /d/kept\n", [
      `--build-context=packed=oci-layout://${layout}`,
    ]);
    expect(again.code, again.log).toBe(0);
    expect(again.log).toMatch(/ kept$/m);
    expect(JSON.parse(readFileSync(join(layout, "oci-layout"), "utf8"))).toMatchObject({});
  });

  // Fails when rights are asked of the Dockerfile's own instructions only, or after the cache.
  test("ONBUILD triggers and results in the cache are no way around --allow (CVE-2024-23653)", async () => {
    const base = world.context("onbuild", {
      Dockerfile: "FROM busybox\nONBUILD RUN --security=insecure echo insecure\n",
    });
    await world.ok(["build", "-t", "onbuild", base]);
    const refused = await world.attempt("FROM onbuild\n");
    expect(refused.log).toMatch(/--security=insecure is not allowed/);
    expect(refused.code).toBe(1);
    // Canary: with the right it runs; afterwards its result is in the cache.
    const folder = world.context("onbuild-child", { Dockerfile: "FROM onbuild\n" });
    expect((await world.tsbuild(["build", "--allow=security.insecure", folder])).code).toBe(0);
    expect((await world.tsbuild(["build", folder])).stderr).toMatch(/is not allowed/);
    const host = await world.attempt("FROM busybox\nRUN --network=host true\n");
    expect(host.log).toMatch(/--network=host is not allowed/);
  });
});
