import { createHash } from "node:crypto";
import { cpSync, readFileSync, utimesSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { userNamed } from "./user.ts";
import { importBusybox, missing, run, runOk, World } from "./world.ts";

const reason = missing("busybox", "tar", "git", "useradd", "userdel", "setpriv", "newuidmap", "newgidmap");
if (reason !== undefined) console.log(`skipped: reproducible builds: ${reason}`);

/** What has made builds differ: times of files, of their folders and of folders made on the way, and the order of stages. */
const DOCKERFILE = `FROM busybox AS base
WORKDIR /made/on/the/way
COPY files /srv/files
COPY --link one /linked/one
ADD packed.tar /unpacked/
RUN mkdir -p /x/y && echo hi > /x/y/z && ln /x/y/z /x/hard && ln -s y /x/soft && rm /bin/nc && rm -r /var && mkdir /var
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/t date > /cache/now; ls / > /root/ls
FROM base AS slow
RUN sleep 0.3; echo slow > /slow
FROM base AS quick
RUN echo quick > /quick
FROM base
COPY --from=slow /slow /
COPY --from=quick /quick /
COPY --chown=7:8 <<END /document
text
END
USER 1000
WORKDIR /home/of/user
`;
const EPOCH = 1_700_000_000;
const COMMITTED = "2020-02-02T02:02:02Z";

const user = `tsbuild-r${process.pid}`;

describe.skipIf(reason !== undefined)("a reproducible build", () => {
  const world = new World();
  const worlds: World[] = [world];
  let base: string;
  beforeAll(async () => {
    await runOk("useradd", ["--no-create-home", "--home-dir", "/nonexistent", user]);
    await importBusybox(world);
    base = world.path("base.tar");
    await world.ok(["save", "-o", base, "busybox"]);
    const files = { Dockerfile: DOCKERFILE, one: "1\n", "files/two": "2\n", "files/deep/three": "3\n" };
    world.context("app", { ...files, "packed/d/f": "packed\n" });
    const owner = ["--owner=0", "--group=0", "--sort=name", "--mtime=2001-01-01"];
    await runOk("tar", ["-C", world.path("app/packed"), ...owner, "-cf", world.path("app/packed.tar"), "."]);
  }, 300_000);
  afterAll(async () => {
    for (const one of worlds) one.close();
    await run("userdel", ["--force", user]);
  });

  /** A world that knows the base and nothing else. */
  async function other(options: ConstructorParameters<typeof World>[0] = {}): Promise<World> {
    const made = new World(options);
    worlds.push(made);
    cpSync(base, made.path("base.tar"));
    await made.ok(["load", "-i", made.path("base.tar")]);
    return made;
  }

  /** The context again, with other times. */
  function copyTo(where: World, date: string): string {
    const folder = where.path("copy");
    cpSync(world.path("app"), folder, { recursive: true });
    for (const path of ["files", "files/two", "files/deep", "files/deep/three", "one", "."])
      utimesSync(`${folder}/${path}`, new Date(date), new Date(date));
    return folder;
  }

  /** Digest of the archive that a build makes: of image and layers, of all bytes. */
  async function built(where: World, folder: string, flags: readonly string[]): Promise<string> {
    const dest = where.path("image.tar");
    const env = { SOURCE_DATE_EPOCH: String(EPOCH) };
    await where.ok(
      ["build", "--progress=none", ...flags, "-o", `type=oci,dest=${dest},rewrite-timestamp=true`, folder],
      { env },
    );
    return createHash("sha256").update(readFileSync(dest)).digest("hex");
  }

  test("gives the same bytes again: without cache, one step at a time, elsewhere, from a copy, as a normal user", async () => {
    const first = await built(world, world.path("app"), []);
    expect(await built(world, world.path("app"), ["--no-cache", "--jobs=1"])).toBe(first);
    const root = await other();
    expect(await built(root, copyTo(root, "2026-03-03"), [])).toBe(first);
    const normal = await other({ user: userNamed(user) });
    expect(await built(normal, copyTo(normal, "2025-05-05"), ["--jobs=8"])).toBe(first);
  }, 300_000);

  test("--reproducible holds for files older than the epoch too, and the image is one wherever it goes", async () => {
    const id = async (where: World, folder: string, ...flags: readonly string[]) =>
      (await where.ok(["build", "-q", "--reproducible", ...flags, folder])).stdout.trim();
    const [root, normal] = [worlds[1]!, worlds[2]!];
    for (const where of [root, normal])
      for (const path of ["one", "files/two"]) utimesSync(where.path("copy", path), 978_307_200, 978_307_200);
    const first = await id(world, world.path("app"), "-t", "app");
    expect(await id(root, root.path("copy"))).toBe(first);
    expect(await id(normal, normal.path("copy"), "--no-cache")).toBe(first);
    const times = await world.inside("app", "stat", "-c", "%Y %n", "/srv/files/two", "/x/y/z", "/made/on");
    expect(times).toBe("0 /srv/files/two\n0 /x/y/z\n0 /made/on\n");
    // Stored, saved, loaded and built upon it has these layers; those of its base are the base's.
    const layers = async (image: string) =>
      JSON.parse((await world.ok(["inspect", "-f", "{{json .RootFS.Layers}}", image])).stdout) as string[];
    const child = world.context("child", { Dockerfile: "FROM app\nRUN true\n" });
    await world.ok(["build", "-q", "-t", "child", child]);
    const all = await layers("app");
    expect((await layers("child")).slice(0, -1)).toEqual(all);
    expect(all.slice(0, 1)).toEqual(await layers("busybox"));
    await world.ok(["save", "-o", world.path("app.tar"), "app"]);
    await root.ok(["load", "-i", world.path("app.tar")]);
    expect((await root.ok(["inspect", "-f", "{{.Id}}", "app"])).stdout.trim()).toBe(first);
  }, 300_000);

  test("--reproducible is dated as the commit that is checked out; files as such by SOURCE_DATE_EPOCH", async () => {
    const folder = world.context("repo/sub", { Dockerfile: "FROM scratch\nCOPY f /f\n", f: "x" });
    const git = (...args: readonly string[]) =>
      runOk("git", ["-C", world.path("repo"), "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
        env: { GIT_COMMITTER_DATE: COMMITTED, GIT_CONFIG_GLOBAL: "/dev/null" },
      });
    await git("init", "-q");
    await git("add", "-A");
    await git("commit", "-qm", "x");
    await world.ok(["build", "-q", "--reproducible", "-t", "dated", folder]);
    const created = (await world.ok(["inspect", "-f", "{{.Created}}", "dated"])).stdout.trim();
    expect(created).toBe(COMMITTED);
    await world.ok(["export", "-o", world.path("dated.tar"), "dated"]);
    const [first, second] = [world.path("dated-1.tar"), world.path("dated-2.tar")];
    const env = { SOURCE_DATE_EPOCH: "1000000000" };
    const dockerfile = "FROM busybox\nRUN date > /dev/null; touch /f\n";
    const touched = world.context("touched", { Dockerfile: dockerfile });
    await world.ok(["build", "--no-cache", "--progress=none", "-o", `type=tar,dest=${first}`, touched], {
      env,
    });
    await world.ok(["build", "--no-cache", "--progress=none", "-o", `type=tar,dest=${second}`, touched], {
      env,
    });
    expect(readFileSync(first).equals(readFileSync(second))).toBe(true);
    const listing = (await runOk("tar", ["--utc", "--full-time", "-tvf", world.path("dated.tar")])).stdout;
    expect(listing).toMatch(/2020-02-02 02:02:02 f\n/);
  }, 300_000);
});
