import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end builds: ${reason}`);

describe.skipIf(reason !== undefined)("build", () => {
  let world: World;
  beforeAll(async () => {
    world = new World();
    await importBusybox(world);
  });
  afterAll(() => world.close());

  test("a first image runs, and a second build is all cached", async () => {
    const folder = world.context("first", {
      Dockerfile: [
        "FROM busybox",
        "WORKDIR /app",
        "ENV GREETING=hello",
        "COPY name.txt .",
        'RUN echo "$GREETING $(cat name.txt)" > out.txt',
        'CMD ["cat", "/app/out.txt"]',
      ].join("\n"),
      "name.txt": "world\n",
    });
    const log = await world.build(folder, "-t", "first");
    expect(log).toMatch(/\[4\/4\] RUN echo/);
    expect(await world.inside("first")).toBe("hello world\n");
    const again = await world.build(folder, "-t", "first");
    expect(again.match(/CACHED/g)?.length).toBeGreaterThanOrEqual(3);
    expect(again).not.toMatch(/DONE.*RUN/);
  });

  test("a changed source re-runs what depends on it and says why", async () => {
    const folder = world.context("touch", {
      Dockerfile:
        "FROM busybox\nCOPY lock .\nRUN cat lock > /installed\nCOPY src src\nRUN cat src/a src/b > /built\n",
      lock: "1",
      "src/a": "a",
      "src/b": "b",
    });
    await world.build(folder, "-t", "touch");
    writeFileSync(join(folder, "src/b"), "B");
    const log = await world.build(folder, "-t", "touch");
    expect(log).toMatch(/RUN cat lock[^\n]*\n(?:#\d+ CACHED)/);
    expect(log).toMatch(/changed: src\/b/);
    expect(await world.inside("touch", "cat", "/built")).toBe("aB");
  });

  test("a step that may write to a mounted context is cached by the content that it reads", async () => {
    const folder = world.context("rw-mount", {
      Dockerfile:
        "FROM busybox\nRUN --mount=target=/ctx,source=src,rw touch /ctx/new && cat /ctx/a > /a\nRUN echo after\n",
      "src/a": "one",
      other: "1",
    });
    const step = /RUN --mount=target[^\n]*\n#\d+ CACHED/;
    await world.build(folder, "-t", "rw-mount");
    writeFileSync(join(folder, "other"), "2");
    expect(await world.build(folder, "-t", "rw-mount")).toMatch(step);
    writeFileSync(join(folder, "src/a"), "two");
    expect(await world.build(folder, "-t", "rw-mount")).not.toMatch(step);
    expect(await world.inside("rw-mount", "cat", "/a")).toBe("two");
  });

  test("an edit that keeps size and mtime is seen", async () => {
    const folder = world.context("racy", { Dockerfile: "FROM busybox\nCOPY f /f\n", f: "one" });
    await world.build(folder, "-t", "racy");
    await world.build(folder, "-t", "racy");
    const { utimesSync, statSync } = await import("node:fs");
    const { atime, mtime } = statSync(join(folder, "f"));
    writeFileSync(join(folder, "f"), "two");
    utimesSync(join(folder, "f"), atime, mtime);
    await world.build(folder, "-t", "racy");
    expect(await world.inside("racy", "cat", "/f")).toBe("two");
  });

  test("stages by name and number; scratch holds one file", async () => {
    const folder = world.context("stages", {
      Dockerfile: [
        "FROM busybox AS one",
        "RUN echo 1 > /file",
        "FROM busybox",
        "COPY --from=0 /file /zero",
        "COPY --from=ONE /file /named",
        "FROM scratch",
        "COPY --from=1 /zero /named /",
      ].join("\n"),
    });
    await world.build(folder, "-t", "stages", "-o", `type=local,dest=${world.path("stages-out")}`);
    expect(readFileSync(world.path("stages-out/zero"), "utf8")).toBe("1\n");
    expect(readFileSync(world.path("stages-out/named"), "utf8")).toBe("1\n");
  });

  test("dockerignore, chown by name, chmod, link", async () => {
    const folder = world.context("copy", {
      Dockerfile: [
        "FROM busybox",
        "COPY --chown=alice:staff --chmod=0640 a /made/by/a",
        "COPY . /all/",
        "COPY --link b /linked/",
        "RUN stat -c '%a %U %G' /made/by/a /made > /stats && ls /all > /ls",
      ].join("\n"),
      ".dockerignore": "*.log\n!keep.log\n",
      a: "a",
      b: "b",
      "x.log": "x",
      "keep.log": "k",
    });
    await world.build(folder, "-t", "copy");
    expect(await world.inside("copy", "cat", "/stats")).toBe("640 alice staff\n640 alice staff\n");
    expect(await world.inside("copy", "cat", "/ls")).toBe("Dockerfile\na\nb\nkeep.log\n");
    expect(await world.inside("copy", "cat", "/linked/b")).toBe("b");
  });

  test("heredocs run and copy", async () => {
    const folder = world.context("heredoc", {
      Dockerfile: [
        "FROM busybox",
        "ARG WHO=you",
        "COPY <<FILE /etc/motd",
        "hello $WHO",
        "FILE",
        "RUN <<SCRIPT",
        "echo one > /n",
        "echo two >> /n",
        "SCRIPT",
      ].join("\n"),
    });
    await world.build(folder, "-t", "heredoc", "--build-arg", "WHO=me");
    expect(await world.inside("heredoc", "cat", "/etc/motd", "/n")).toBe("hello me\none\ntwo\n");
  });

  test("cache, bind and tmpfs mounts", async () => {
    const folder = world.context("mounts", {
      Dockerfile: [
        "FROM busybox AS src",
        "RUN echo from-stage > /s",
        "FROM busybox",
        "ARG N",
        "RUN --mount=type=cache,target=/cache echo $N >> /cache/log; cp /cache/log /log",
        "RUN --mount=type=bind,target=/ctx --mount=type=bind,from=src,source=/s,target=/s --mount=type=tmpfs,target=/scratch \\",
        "    cat /ctx/f /s > /both; echo x > /scratch/x; touch /ctx/no 2> /ro || true",
      ].join("\n"),
      f: "from-context\n",
    });
    await world.build(folder, "-t", "mounts", "--build-arg", "N=1");
    await world.build(folder, "-t", "mounts", "--build-arg", "N=2");
    expect(await world.inside("mounts", "cat", "/log", "/both")).toBe("1\n2\nfrom-context\nfrom-stage\n");
    expect(await world.inside("mounts", "cat", "/ro")).toMatch(/Read-only file system/);
    expect(await world.inside("mounts", "sh", "-c", "ls -A /cache /ctx /s /scratch 2>&1 | wc -l")).not.toBe(
      "0\n",
    );
  });

  test("triggers of a base fire in the child and are cleared", async () => {
    const base = world.context("onbuild", {
      Dockerfile: "FROM busybox\nONBUILD COPY app /app\nONBUILD RUN cat /app > /ran\n",
    });
    await world.build(base, "-t", "onbuild-base");
    const child = world.context("onbuild-child", {
      Dockerfile: "FROM onbuild-base\nRUN echo own > /own\n",
      app: "app",
    });
    await world.build(child, "-t", "onbuild-child");
    expect(await world.inside("onbuild-child", "cat", "/ran", "/own")).toBe("appown\n");
    const grandchild = world.context("onbuild-grandchild", { Dockerfile: "FROM onbuild-child\nRUN true\n" });
    const log = await world.build(grandchild, "-t", "onbuild-grandchild");
    expect(log).not.toMatch(/COPY app/);
  });

  test("images that extend each other share their layers", async () => {
    const lines = ["FROM busybox", "RUN echo 1 > /1", "RUN echo 2 > /2", "RUN echo 3 > /3"];
    const diffIds: string[][] = [];
    for (const count of [2, 3, 4]) {
      const folder = world.context(`share-${count}`, { Dockerfile: lines.slice(0, count).join("\n") });
      const log = await world.build(
        folder,
        "-t",
        `share:${count}`,
        "-o",
        `type=oci,tar=false,dest=${world.path(`share-oci-${count}`)}`,
      );
      expect(log.match(/RUN[^\n]*\n#\d+ CACHED/g)?.length ?? 0).toBe(count - 2);
      const layout = world.path(`share-oci-${count}`);
      const blob = (digest: string): Record<string, never> =>
        JSON.parse(readFileSync(join(layout, "blobs/sha256", digest.slice(7)), "utf8"));
      const index = JSON.parse(readFileSync(join(layout, "index.json"), "utf8"));
      const manifest = blob(index.manifests[0].digest) as unknown as { config: { digest: string } };
      diffIds.push(
        (blob(manifest.config.digest) as unknown as { rootfs: { diff_ids: string[] } }).rootfs.diff_ids,
      );
    }
    expect(diffIds[1]?.slice(0, 2)).toEqual(diffIds[0]);
    expect(diffIds[2]?.slice(0, 3)).toEqual(diffIds[1]);
  });

  test("a step that writes nothing leaves nothing of the sandbox in its layer", async () => {
    const folder = world.context("empty", {
      Dockerfile: "FROM busybox AS a\nRUN true\nFROM scratch\nCOPY --from=a / /\n",
    });
    await world.build(folder, "-t", "empty", "-o", `type=oci,tar=false,dest=${world.path("empty-oci")}`);
    const single = world.context("empty2", { Dockerfile: "FROM busybox\nRUN true\n" });
    await world.build(
      single,
      "-o",
      `type=oci,tar=false,compression=uncompressed,dest=${world.path("empty2-oci")}`,
    );
    const index = JSON.parse(readFileSync(world.path("empty2-oci/index.json"), "utf8"));
    const manifest = JSON.parse(
      readFileSync(world.path("empty2-oci/blobs/sha256", index.manifests[0].digest.slice(7)), "utf8"),
    );
    const layer = manifest.layers[1];
    // An empty tar: two blocks of zeros.
    expect(
      readFileSync(world.path("empty2-oci/blobs/sha256", layer.digest.slice(7))).every((byte) => byte === 0),
    ).toBe(true);
  });
});
