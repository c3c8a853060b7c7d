import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runningCommands } from "./processes.ts";
import { type BuiltImage, buildRootfs } from "./rootfs.ts";
import { importBusybox, missing, ociRuntime, World } from "./world.ts";

const reason = missing("busybox", "tar", "getfattr");
if (reason !== undefined) console.log(`skipped: end-to-end steps: ${reason}`);

const WHO = 'echo "$(id -u) $(id -g) $(id -G) $HOME"';

/** Nobody else's: other projects run these tests at the same time. */
const SLEEP = `sleep 3131313.${process.pid}`;

const DOCKERFILE = [
  "FROM busybox AS start",
  "RUN mkdir -m 1777 /out && chmod 700 /root",
  // What a step is given.
  "FROM start AS given",
  'ENV A=1 B="two words"',
  "ARG C=from-arg",
  'RUN ["cp", "/proc/self/environ", "/out/environ"]',
  "RUN --network=none hostname > /out/hostname; cat > /out/stdin; cat /etc/hosts > /out/hosts; ls /etc/resolv.conf > /out/resolv; sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d ' ' > /out/net",
  'RUN ["/bin/sh", "-c", "echo $0 $1 > /out/argv", "$HOME", "a  b"]',
  'SHELL ["/bin/sh", "-f", "-c"]',
  "RUN echo /et* > /out/noglob",
  "WORKDIR /gone",
  "RUN cd / && rmdir /gone",
  "RUN pwd > /out/pwd",
  "WORKDIR /hidden/sub",
  "RUN --mount=type=cache,target=/hidden pwd > /out/in-mount && stat -c %a . >> /out/in-mount",
  // Who a step is.
  "FROM start AS users",
  "USER alice",
  "WORKDIR /made/by/alice",
  `RUN ${WHO} > /out/name`,
  "USER alice:wheel",
  `RUN ${WHO} > /out/name-group`,
  "USER 1000",
  `RUN ${WHO} > /out/number`,
  "USER 1000:50",
  `RUN ${WHO} > /out/numbers`,
  "USER 4242",
  `RUN ${WHO} > /out/unknown`,
  "USER 4242:77",
  "WORKDIR /made/by/number",
  `RUN ${WHO} > /out/unknowns`,
  "WORKDIR /etc",
  "USER root",
  "RUN stat -c '%n %a %u:%g' /made /made/by /made/by/alice /made/by/number /etc > /out/folders",
  // What a step leaves behind.
  "FROM scratch AS bare",
  "COPY --from=busybox /bin/busybox /bin/busybox",
  'RUN ["/bin/busybox", "true"]',
  'RUN ["/bin/busybox", "mkdir", "-p", "/run/made"]',
  'RUN --mount=type=cache,target=/deep/cache/dir --mount=type=tmpfs,target=/deep/tmp ["/bin/busybox", "touch", "/deep/kept"]',
  'RUN --mount=type=cache,target=/empty/cache/dir ["/bin/busybox", "true"]',
  'RUN ["/bin/busybox", "mkdir", "/etc/own"]',
  "COPY file /etc/hosts",
  'RUN ["/bin/busybox", "touch", "/etc/own"]',
  "FROM start AS processes",
  `RUN ${SLEEP} & (${SLEEP} > /dev/null 2>&1 &) ; echo done > /out/done; echo $$ > /out/pid`,
  // Mounts that are thrown away.
  "FROM start AS mounts",
  "RUN --mount=type=tmpfs,target=/t,size=1048576 dd if=/dev/zero of=/t/x bs=65536 count=64 2> /dev/null; echo $? > /out/full",
  "RUN --mount=type=tmpfs,target=/root --mount=type=tmpfs,target=/root/in --mount=type=tmpfs,target=/none stat -c '%n %a' /root /root/in /none > /out/hides",
  "RUN --mount=type=bind,target=/ctx,rw --mount=type=bind,from=start,target=/start,rw echo new > /ctx/file && touch /start/x && cat /ctx/file > /out/written",
  "RUN --mount=type=bind,target=/ctx --mount=type=bind,from=start,target=/start cat /ctx/file > /out/again; ls /start/x 2> /dev/null || echo gone >> /out/again",
  "RUN --mount=target=/ctx/deep/er --mount=target=/ctx,type=tmpfs ls /ctx/deep/er/file > /out/nested",
  "FROM scratch",
  "COPY --from=given /out /given/",
  "COPY --from=given /gone /given/gone",
  "COPY --from=users /out /users/",
  "COPY --from=bare / /bare/",
  "COPY --from=processes /out /processes/",
  "COPY --from=mounts /out /mounts/",
].join("\n");

describe.skipIf(reason !== undefined)("RUN", () => {
  const world = new World();
  let image: BuiltImage;
  let folder: string;

  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("steps", { Dockerfile: DOCKERFILE, file: "old\n" });
    image = await buildRootfs(world, folder);
  });
  afterAll(() => world.close());

  test("the environment is the recorded one and nothing else (D075, B011)", () => {
    expect(image.rootfs.text("given/environ").split("\0").filter(Boolean).sort()).toEqual([
      "A=1",
      "B=two words",
      "C=from-arg",
      "HOME=/root",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
  });

  test("host name, hosts, network, standard input, arguments, shell, folder (B007 to B013, D073, D074)", () => {
    const text = (name: string): string => image.rootfs.text(`given/${name}`);
    expect(text("hostname")).toBe("buildkitsandbox\n");
    expect(text("hosts")).toMatch(/^127\.0\.0\.1\s+localhost buildkitsandbox$/m);
    expect(text("resolv")).toBe("/etc/resolv.conf\n");
    expect(text("net")).toBe("lo\n");
    expect(text("stdin")).toBe("");
    expect(text("argv")).toBe("$HOME a b\n");
    expect(text("noglob")).toBe("/et*\n");
    expect(text("pwd")).toBe("/gone\n");
    expect(text("in-mount")).toBe("/hidden/sub\n755\n");
    expect(image.rootfs.look("given/gone")).toBe("folder 755 0:0");
  });

  test("users and groups (D117, B014)", () => {
    const text = (name: string): string => image.rootfs.text(`users/${name}`);
    expect(text("name")).toMatch(/^1000 1001 1001 (?:50 10|10 50) \/home\/alice\n$/);
    expect(text("number")).toBe(text("name"));
    expect(text("name-group")).toBe("1000 10 10 /home/alice\n");
    expect(text("numbers")).toBe("1000 50 50 /home/alice\n");
    expect(text("unknown")).toBe("4242 0 0 /\n");
    expect(text("unknowns")).toBe("4242 77 77 /\n");
  });

  test("WORKDIR makes folders of the user and leaves others alone (D116)", () => {
    expect(image.rootfs.text("users/folders").trim().split("\n")).toEqual([
      "/made 755 1000:1001",
      "/made/by 755 1000:1001",
      "/made/by/alice 755 1000:1001",
      "/made/by/number 755 4242:77",
      "/etc 755 0:0",
    ]);
  });

  test("nothing of the sandbox is left in an image, what the step wrote is (B006, B007, D084)", () => {
    const found = readdirSync(join(image.rootfs.folder, "bare"), { recursive: true, encoding: "utf8" });
    // The image's own, though steps see another one.
    expect(image.rootfs.text("bare/etc/hosts")).toBe("old\n");
    expect(found.sort()).toEqual([
      ...["bin", "bin/busybox", "deep", "deep/kept", "etc", "etc/hosts", "etc/own", "run", "run/made"],
    ]);
  });

  test("processes end with their step (B016)", () => {
    expect(image.rootfs.text("processes/done")).toBe("done\n");
    expect(runningCommands(SLEEP)).toEqual([]);
  });

  test("steps are performed by whom this run is for: in an OCI runtime the command is PID 1 itself, else it has one above it", () => {
    const isFirst = image.rootfs.text("processes/pid") === "1\n";
    expect(isFirst).toBe(ociRuntime() !== undefined);
  });

  test("tmpfs has its size; writes to a bind mount are lost; nested mounts are mounted in order (D077, D079, D083)", () => {
    expect(image.rootfs.text("mounts/full")).toBe("1\n");
    // A tmpfs is as closed as the image's folder that it hides.
    expect(image.rootfs.text("mounts/hides")).toBe("/root 700\n/root/in 1777\n/none 1777\n");
    expect(image.rootfs.text("mounts/written")).toBe("new\n");
    expect(image.rootfs.text("mounts/again")).toBe("old\ngone\n");
    expect(image.rootfs.text("mounts/nested")).toBe("/ctx/deep/er/file\n");
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("old\n");
  });

  test.each([
    [
      "an exit code",
      "FROM busybox\nRUN exit 3",
      /process "\/bin\/sh -c exit 3" did not complete successfully: exit code: 3/,
    ],
    [
      "a program that is not there",
      'FROM busybox\nRUN ["/nothing"]',
      /\/nothing.*(?:not found|no such file)/i,
    ],
    ["a file that is no program", 'FROM busybox\nRUN ["/etc/passwd"]', /\/etc\/passwd.*permission denied/i],
    [
      "an image without a shell",
      "FROM scratch\nCOPY Dockerfile /\nRUN echo hi",
      /\/bin\/sh.*(?:not found|no such file)/i,
    ],
    ["a user who is not there", "FROM busybox\nUSER nobody9\nRUN true", /unable to find user "nobody9"/],
    [
      "a group that is not there",
      "FROM busybox\nUSER alice:nogroup9\nRUN true",
      /unable to find group "nogroup9"/,
    ],
    [
      "a mount of nothing",
      "FROM busybox\nRUN --mount=from=busybox,source=/nothing,target=/x true",
      /"\/nothing".*(?:does not exist|not found)/,
    ],
    [
      "a folder mounted on a file",
      "FROM busybox\nRUN --mount=type=tmpfs,target=/etc/passwd true",
      /cannot mount a folder on "\/etc\/passwd"/,
    ],
  ])("fails clearly: %s", async (_name, dockerfile, message) => {
    const failing = world.context("failing", { Dockerfile: dockerfile });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", failing]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/>>>/);
    expect(code).toBe(1);
  });
});

/** Waits until a file is there; fails when it does not come. */
function waitFor(path: string): string {
  return `i=0; until [ -e ${path} ]; do i=$((i+1)); [ $i -lt 300 ] || exit 9; sleep 0.1; done`;
}

const COUNT = "n=$(cat /c/n 2> /dev/null || echo 0); sleep 0.3; echo $((n+1)) > /c/n";

const CACHES = [
  "FROM busybox AS start",
  "RUN mkdir -m 1777 /out && mkdir -m 0750 /seed && mkdir /seed/sub && echo seeded > /seed/sub/f && chown 7:8 /seed",
  "ARG RUN_NUMBER",
  // Each of three steps waits for what the others write: they really have one cache, at one time, on any number of processors (V025).
  ...[1, 2, 3].flatMap((own) => {
    const others = [1, 2, 3].filter((other) => other !== own);
    const meet = [
      `touch /c/${own}-$RUN_NUMBER`,
      ...others.map((other) => waitFor(`/c/${other}-$RUN_NUMBER`)),
    ];
    return [`FROM start AS shared-${own}`, `RUN --mount=type=cache,id=meet,target=/c ${meet.join(" && ")}`];
  }),
  // Two steps that lock two caches in different orders.
  "FROM start AS locked-1",
  `RUN --mount=type=cache,id=count,target=/c,sharing=locked --mount=type=cache,id=other,target=/d,sharing=locked : $RUN_NUMBER 1; ${COUNT}`,
  "FROM start AS locked-2",
  `RUN --mount=type=cache,id=other,target=/d,sharing=locked --mount=type=cache,id=count,target=/c,sharing=locked : $RUN_NUMBER 2; ${COUNT}`,
  "FROM start AS private-1",
  "RUN --mount=type=cache,id=alone,target=/c,sharing=private : $RUN_NUMBER; mkdir /c/mine && sleep 0.3 && rmdir /c/mine",
  "FROM start AS private-2",
  "RUN --mount=type=cache,id=alone,target=/c,sharing=private : $RUN_NUMBER 2; mkdir /c/mine && sleep 0.3 && rmdir /c/mine",
  "FROM start",
  "COPY --from=shared-1 /etc/group /1",
  "COPY --from=shared-2 /etc/group /2",
  "COPY --from=shared-3 /etc/group /7",
  "COPY --from=locked-1 /etc/group /3",
  "COPY --from=locked-2 /etc/group /4",
  "COPY --from=private-1 /etc/group /5",
  "COPY --from=private-2 /etc/group /6",
  "RUN --mount=type=cache,id=count,target=/c,sharing=locked : $RUN_NUMBER; cat /c/n > /out/count",
  "RUN --mount=type=cache,id=twice,target=/c,sharing=locked --mount=type=cache,id=twice,target=/d,sharing=locked : $RUN_NUMBER; echo same > /c/f && cat /d/f > /out/twice",
  "RUN --mount=type=cache,id=plain,target=/c : $RUN_NUMBER; stat -c '%a %u:%g' /c > /out/plain",
  "RUN --mount=type=cache,id=plain,target=/c,uid=1000,gid=50,mode=0700 : $RUN_NUMBER; stat -c '%a %u:%g' /c > /out/owned",
  "RUN --mount=type=cache,id=seeded,target=/c,from=start,source=/seed : $RUN_NUMBER; stat -c '%a %u:%g' /c > /out/seeded; echo more >> /c/sub/f; cat /c/sub/f >> /out/seeded",
].join("\n");

describe.skipIf(reason !== undefined)("cache mounts", () => {
  const world = new World();
  let folder: string;
  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("caches", { Dockerfile: CACHES });
  });
  afterAll(() => world.close());

  async function outputs(...flags: readonly string[]): Promise<Record<string, string>> {
    const dest = world.path("out");
    await world.build(folder, "-o", dest, ...flags);
    const names = readdirSync(join(dest, "out"));
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(dest, "out", name), "utf8")]));
  }

  test("are shared, locked, private, seeded, kept, and emptied by --no-cache (D078, D090)", async () => {
    const first = {
      count: "2\n",
      twice: "same\n",
      plain: "755 0:0\n",
      owned: "700 1000:50\n",
      seeded: "750 7:8\nseeded\nmore\n",
    };
    expect(await outputs("--build-arg=RUN_NUMBER=1")).toEqual(first);
    expect(await outputs("--build-arg=RUN_NUMBER=2")).toEqual({
      ...first,
      count: "4\n",
      seeded: "750 7:8\nseeded\nmore\nmore\n",
    });
  });

  test("a step that ignores the cache starts with an empty one, which later builds keep (D090)", async () => {
    const counter = world.context("counter", {
      Dockerfile: "FROM busybox\nARG N\nRUN --mount=type=cache,target=/c echo $N >> /c/log; cp /c/log /log\n",
    });
    const log = async (...flags: readonly string[]): Promise<string> => {
      const dest = world.path("log");
      await world.build(counter, "-o", dest, ...flags);
      return readFileSync(join(dest, "log"), "utf8");
    };
    expect(await log("--build-arg=N=1")).toBe("1\n");
    expect(await log("--build-arg=N=2")).toBe("1\n2\n");
    expect(await log("--build-arg=N=3", "--no-cache")).toBe("3\n");
    expect(await log("--build-arg=N=4")).toBe("3\n4\n");
  });
});

describe.skipIf(reason !== undefined)("the layer of a RUN, and of a COPY", () => {
  const world = new World();
  afterAll(() => world.close());

  test("does not hold what looks the same and has the same content as before (X018)", async () => {
    await importBusybox(world);
    const steps = [
      "RUN mkdir -p /d/sub /d/empty && echo a > /d/f && ln -s f /d/l && ln /d/f /d/other && echo b > /d/sub/x && chmod 700 /d/sub",
      "RUN chown -R 0:0 /d /bin && chmod 700 /d/sub",
      "RUN cat /d/sub/x > /y && touch -r /d/sub/x /y && cat /y > /d/sub/x && touch -r /y /d/sub/x && rm /y",
      "RUN printf c > /d/sub/x && chown -R 0 /d",
      "RUN rm /d/l && ln -s sub /d/l && rm -r /d/empty && mkdir /d/empty",
      "RUN : >> /d/other && chmod 755 /d/sub",
      "COPY --from=busybox / /",
      "COPY --from=busybox /etc/group /bin/busybox /etc/",
    ];
    const folder = world.context("same", {
      Dockerfile: ["FROM busybox", ...steps].join("\n"),
    });
    const image = await buildRootfs(world, folder);
    const names: string[] = [];
    for (const index of steps.keys()) {
      const { folder } = await image.layer(index - steps.length);
      names.push(readdirSync(folder, { recursive: true, encoding: "utf8" }).sort().join(" "));
    }
    expect(names).toEqual([
      "d d/empty d/f d/l d/other d/sub d/sub/x",
      "",
      "",
      "d d/sub d/sub/x",
      "d d/empty d/empty/.wh..wh..opq d/l",
      "d d/sub",
      "",
      "etc etc/busybox",
    ]);
  });
});
