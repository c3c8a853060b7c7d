import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: what flags make of an image: ${reason}`);

describe.skipIf(reason !== undefined)("--squash and --unset", () => {
  const world = new World();
  let folder: string;
  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("app", {
      Dockerfile: [
        "FROM busybox AS first",
        "ENV A=1 B=2",
        "EXPOSE 80",
        "RUN echo 1 > /one && rm /etc/group",
        "FROM first AS second",
        "RUN echo 2 > /two && echo x > /gone",
        "RUN rm /gone && echo 3 > /one",
        'CMD ["cat", "/one", "/two"]',
      ].join("\n"),
    });
  }, 300_000);
  afterAll(() => world.close());

  const inspect = async (format: string, image: string) =>
    JSON.parse((await world.ok(["inspect", "--format", `{{json ${format}}}`, image])).stdout);

  test("new layers become one: the same files, the base's layer as it is, and the same image once more", async () => {
    await world.ok(["build", "-q", "-t", "plain", folder]);
    const id = (await world.ok(["build", "-q", "--squash", "-t", "one", folder])).stdout;
    const [plain, one] = [await inspect(".RootFS.Layers", "plain"), await inspect(".RootFS.Layers", "one")];
    expect([plain.length, one.length]).toEqual([4, 2]);
    expect(one[0]).toBe(plain[0]);
    expect((await world.ok(["inspect", "--diff", "plain", "one"])).stdout).toContain("no difference");
    expect((await world.ok(["run", "one"])).stdout).toBe("3\n2\n");
    expect((await world.ok(["build", "-q", "--squash", "-t", "one", folder])).stdout).toBe(id);
    const history = (await world.ok(["image", "history", "--format", "json", "one"])).stdout
      .trim()
      .split("\n");
    expect(history.filter((line) => JSON.parse(line).DiffID !== "")).toHaveLength(2);
  }, 300_000);

  test("from a stage on, also into an archive", async () => {
    await world.ok([
      "build",
      "-q",
      "--squash=second",
      "-t",
      "two",
      "-o",
      `type=oci,dest=${world.path("two.tar")}`,
      folder,
    ]);
    const [plain, two] = [await inspect(".RootFS.Layers", "plain"), await inspect(".RootFS.Layers", "two")];
    expect(two).toHaveLength(3);
    expect(two.slice(0, 2)).toEqual(plain.slice(0, 2));
    const wrong = await world.tsbuild(["build", "--squash=secnod", folder]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean second?");
    const inline = await world.tsbuild(["build", "--squash", "--cache-to", "type=inline", folder]);
    expect(inline.stderr).toContain("contradict");
  }, 300_000);

  test("fields of the config go, a name that is not there stops the build before a step runs", async () => {
    await world.ok(["build", "-q", "--unset", "env:A,expose:80", "--unset", "cmd", "-t", "less", folder]);
    const config = await inspect(".Config", "less");
    expect(config.Env).toEqual([expect.stringContaining("PATH="), "B=2"]);
    expect(config).not.toHaveProperty("Cmd");
    expect(config).not.toHaveProperty("ExposedPorts");
    const wrong = await world.tsbuild(["build", "--no-cache", "--unset", "env:BB", folder]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toMatch(/--unset env:BB: the image has no such environment variable/);
    expect(wrong.stderr).not.toContain("RUN");
  }, 300_000);
});
