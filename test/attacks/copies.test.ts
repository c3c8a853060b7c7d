/** COPY and ADD between roots that lie: links in sources, in destinations and above them, in images, archives and layouts. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tarOf } from "../e2e/tar.ts";
import { AttackWorld, type Attempt, compileProgram, skipReason } from "./support/attack.ts";

const reason = skipReason("copies.test.ts", "cc");

describe.skipIf(reason !== undefined)("COPY and ADD", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  /** Nothing of the host was read into the log or an image's file, nor written. */
  function expectKept(log: string): void {
    expect(log).not.toContain(world.text);
    expect(world.isIntact).toBe(true);
    expect(readdirSync(world.outside).sort()).toEqual(["busybox", "empty", "precious"]);
    expect(readdirSync(join(world.outside, "empty"))).toEqual([]);
  }

  // Fails when COPY resolves a source below the context by name alone: without RESOLVE_IN_ROOT, or with magic links.
  test("links of a context lead nowhere out of it, by name, by wildcard and with --parents", async () => {
    const folder = world.context("links", { "a/file": "own" });
    for (const [name, target] of [
      ["out", world.outside],
      ["direct", world.precious],
      ["up", "../outside"],
      ["magic", `/proc/self/root${world.outside}`],
    ] as const)
      symlinkSync(target, join(folder, "a", name));
    const lines = [
      ...["out/precious", "direct", "up/precious", "magic/precious", "o*/precious"].map(
        (at) => `COPY a/${at} /x/`,
      ),
      ...["--parents", "--link"].flatMap((flag) => [
        `COPY ${flag} a/out/precious /x/`,
        `COPY ${flag} a/direct /x/`,
      ]),
    ];
    for (const line of lines) {
      writeFileSync(join(folder, "Dockerfile"), `FROM busybox\n${line}\nRUN grep -r precious- /x; true\n`);
      expectKept((await world.attemptFolder(folder)).log);
    }
    // Canary: the same search finds what is copied from inside.
    writeFileSync(join(folder, "a/f2"), world.text);
    writeFileSync(
      join(folder, "Dockerfile"),
      "FROM busybox\nCOPY a/f2 /x/\nRUN grep -r precious- /x; true\n",
    );
    expect((await world.attemptFolder(folder)).log).toContain(world.text);
  });

  /** A build beside which `sub` becomes the link when it is opened for the `nth` time; undefined: it is opened less often. */
  async function swappedAt(nth: number, folder: string): Promise<Attempt | undefined> {
    const [sub, link] = [join(folder, "sub"), join(folder, "link")];
    const program = spawn(world.path("swap-on-open"), [sub, link, `${nth}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(program, "close");
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    expect(await lines.next()).toMatchObject({ value: "ready" });
    const attempt = await world.attemptFolder(folder);
    program.kill("SIGKILL");
    const swapped = await lines.next();
    await ended;
    if (swapped.done === true) return undefined;
    renameSync(link, join(folder, "was"));
    renameSync(sub, link);
    renameSync(join(folder, "was"), sub);
    return attempt;
  }

  /*
   * Fails when a folder of the context is looked up again by its name after it was found to be one, and links are followed out of the context
   * then. The digest of a file is kept while it stays as it is, so its time changes from build to build.
   */
  test("a folder that becomes a link out of the context when it is opened is that folder or an error, copied or mounted", async () => {
    // As long as what is outside: a size that changes is seen at once.
    const own = "o".repeat(world.text.length);
    const folder = world.context("swapped", { "sub/precious": own });
    const dockerfile =
      "FROM busybox\nCOPY sub /x\nRUN --mount=type=bind,source=sub,target=/m cat /m/precious /x/precious; ls /m /x; true\n";
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    symlinkSync(world.outside, join(folder, "link"));
    compileProgram("swap-on-open", world.path("swap-on-open"));
    const codes: number[] = [];
    for (let nth = 1; ; nth++) {
      utimesSync(join(folder, "sub/precious"), nth, nth);
      const attempt = await swappedAt(nth, folder);
      if (attempt === undefined) break;
      codes.push(attempt.code);
      expectKept(attempt.log);
      if (attempt.code === 0) expect(attempt.log).toContain(own + own);
    }
    expect(codes.length).toBeGreaterThan(0);
  });

  // Fails when a destination or a WORKDIR is a joined string, which the kernel resolves from the host's root.
  test("destinations and their parents that are links of the image stay in the image", async () => {
    const targets = [
      world.outside,
      "../../../../../../../../..".concat(world.outside),
      `/proc/self/root${world.outside}`,
    ];
    for (const target of targets) {
      const { log } = await world.attempt(
        [
          "FROM busybox",
          `RUN ln -s ${target} /d && mkdir /p && ln -s ${target}/empty /p/q`,
          ...[
            "COPY Dockerfile /d/precious",
            "COPY Dockerfile /p/q/planted",
            "ADD x.tar /p/q/",
            "WORKDIR /p/q/made",
          ],
        ],
        [],
        { files: { "x.tar": tarOf([{ name: "planted", data: "x" }]) } },
      );
      expectKept(log);
    }
  });

  // Fails when a stage's files are looked up from the host's root, or a link that was copied as such is followed on the host.
  test("links of another stage or image stay in it, as sources and with --link and --parents", async () => {
    const stage = [
      "FROM busybox AS evil",
      `RUN mkdir /e; ln -s ${world.outside} /e/out; ln -s ${world.precious} /e/file; ln -s ../../../../../../../..${world.outside} /e/up`,
    ];
    for (const source of ["/e/out/precious", "/e/file", "/e/up/precious", "/e/o*/precious", "/e"]) {
      for (const flag of ["", "--link", "--parents"]) {
        const lines = [
          ...stage,
          "FROM busybox",
          `COPY ${flag} --from=evil ${source} /x/`,
          "RUN cat /x/* /x/*/* /x/*/*/*; true",
        ];
        expectKept((await world.attempt(lines)).log);
      }
    }
  });

  // Fails when the target of a hard link, or the folder of a member, is taken from the host's root or up through `..`.
  test("hard links and links of archives reach nothing outside of where they are unpacked", async () => {
    const members = [
      { name: "hard", type: "link" as const, target: world.precious },
      { name: "up", type: "link" as const, target: `../../../../../..${world.precious}` },
      { name: "soft", type: "symlink" as const, target: world.outside },
      { name: "through", type: "link" as const, target: "soft/precious" },
      { name: "soft/empty/planted", data: "x" },
    ];
    // Each by itself: the first that is refused must not hide the next.
    for (const [index, member] of members.entries()) {
      const tar = tarOf(index > 2 ? [members[2] as (typeof members)[number], member] : [member]);
      const files = { "x.tar": tar };
      expectKept(
        (await world.attempt("FROM busybox\nADD x.tar /x/\nRUN cat /x/*; true\n", [], { files })).log,
      );
      writeFileSync(world.path("image.tar"), tar);
      const imported = await world.tsbuild(["import", world.path("image.tar"), "hostile"]);
      expectKept(imported.stdout + imported.stderr);
    }
  });

  // Fails when a digest becomes part of a path before its form was checked.
  test("digests of a layout that are paths name nothing", async () => {
    for (const digest of [
      `sha256:../../../..${world.precious}`,
      `../..${world.precious}:x`,
      `sha256:${world.precious}`,
    ]) {
      const folder = world.path("layout");
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
      const entry = {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest,
        size: world.text.length,
      };
      writeFileSync(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
      const { code, log } = await world.attempt("FROM base\n", [
        `--build-context=base=oci-layout://${folder}`,
      ]);
      expect(code, log).toBe(1);
      expectKept(log);
    }
  });

  // Fails when a step keeps the working folder of the builder, or a host's folder.
  test("a core dump of a step lands in the step, if anywhere", async () => {
    const before = readdirSync(process.cwd());
    const { log } = await world.attempt([
      "FROM busybox",
      `RUN --mount=type=cache,target=/c ulimit -c unlimited; cd /c; sh -c 'kill -SEGV $$'; echo "status $?"`,
    ]);
    expect(log).toMatch(/status 139/);
    expect(readdirSync(process.cwd())).toEqual(before);
    expectKept(log);
  });
});
