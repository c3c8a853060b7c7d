import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: named contexts: ${reason}`);

describe.skipIf(reason !== undefined)("--build-context", () => {
  let world: World;
  beforeAll(async () => {
    world = new World();
    await importBusybox(world);
  });
  afterAll(() => world.close());

  test("an OCI layout is a base", async () => {
    const made = world.context("made", { Dockerfile: "FROM busybox\nRUN echo layout > /where\n" });
    const layout = world.path("layout");
    await world.build(made, "-t", "made:1", "-o", `type=oci,tar=false,dest=${layout}`);
    const folder = world.context("on-layout", { Dockerfile: "FROM base\nRUN cat /where > /seen\n" });
    const other = { TSBUILD_ROOT: world.path("other-state") };
    await world.ok(["build", "--build-context", `base=oci-layout://${layout}:1`, "-t", "seen", folder], {
      env: other,
    });
    expect((await world.ok(["run", "seen", "cat", "/seen"], { env: other })).stdout).toBe("layout\n");
    const wrong = await world.tsbuild(["build", "--build-context", `base=oci-layout://${layout}:2`, folder], {
      env: other,
    });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/has no tag "2"[\s\S]*it has 1/);
  });

  test("a folder and another image stand in for --from and FROM", async () => {
    const extra = world.context("extra", { "e.txt": "extra\n" });
    const folder = world.context("named", {
      Dockerfile: "FROM nothing-of-this-name\nCOPY --from=stuff e.txt /e\nRUN cat /e\n",
    });
    const flags = [
      "--build-context",
      `stuff=${extra}`,
      "--build-context",
      "nothing-of-this-name=docker-image://busybox",
    ];
    await world.build(folder, ...flags, "-t", "named");
    expect(await world.inside("named", "cat", "/e")).toBe("extra\n");
  });

  test("a folder's own .dockerignore counts, unless told otherwise (D136)", async () => {
    const extra = world.context("ignoring", { a: "a", b: "b", ".dockerignore": "b\n" });
    const folder = world.context("ignored", { Dockerfile: "FROM busybox\nCOPY --from=stuff . /all\n" });
    const flags = ["--build-context", `stuff=${extra}`, "-t", "ignored"];
    await world.build(folder, ...flags);
    expect(await world.inside("ignored", "ls", "/all")).toBe("a\n");
    await world.build(folder, ...flags, "--no-dockerignore");
    expect(await world.inside("ignored", "ls", "/all")).toBe("a\nb\n");
  });

  test("a stage of another Dockerfile is a base, with its own folder; its failures are shown in it (W020)", async () => {
    const text =
      "FROM busybox AS tools\nCOPY tool /bin/tool\nFROM tools AS more\nARG REV\nRUN echo $REV > /rev\n";
    const common = world.context("common", { Dockerfile: text, tool: "#!/bin/sh\necho used\n" });
    const Dockerfile =
      "FROM common\nCOPY own /own\nRUN sh /bin/tool > /seen; cat /rev own >> /seen\nCOPY --from=common /rev /copied\n";
    const folder = world.context("including", { Dockerfile, own: "own\n" });
    const flags = ["--build-context", `common=dockerfile:${common}#more`, "--build-arg", "REV=7"];
    const log = await world.build(folder, ...flags, "-t", "including");
    expect(log).toMatch(/^#\d+ \[common\/more 1\/1\] RUN echo 7/m);
    expect(await world.inside("including", "cat", "/seen", "/copied")).toBe("used\n7\nown\n7\n");
    world.context("common", { Dockerfile: text.replace("echo", "false; cat"), tool: "" });
    const failed = await world.tsbuild(["build", ...flags, folder]);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringMatching(/common\/Dockerfile:5\n[\s\S]*>>> RUN false/),
    ]);
    const none = await world.tsbuild(["build", "--build-context", `common=dockerfile:${folder}/no`, folder]);
    expect(none.stderr).toMatch(/no Dockerfile at ".*no" for the context common\n.*dockerfile:PATH/);
  });

  test("offline, a base image that is not here names its registry (W026)", async () => {
    const folder = world.context("offline", { Dockerfile: "FROM registry.invalid/base:1\n" });
    const { code, stderr } = await world.tsbuild(["build", "--offline", folder]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("registry.invalid would be asked")]);
    expect(stderr).toContain("Dockerfile:1");
    await world.ok(["build", "--offline", world.context("here", { Dockerfile: "FROM busybox\nRUN true\n" })]);
  });
});
