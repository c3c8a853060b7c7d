import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: commands on images: ${reason}`);

describe.skipIf(reason !== undefined)("commands on images", () => {
  const world = new World();
  let id: string;
  beforeAll(async () => {
    await importBusybox(world);
    const folder = world.context("app", {
      Dockerfile: "FROM busybox\nENV A=1\nRUN head -c 20000 /dev/zero > /zeros\nLABEL l=x\n",
    });
    id = (await world.ok(["build", "-q", "-t", "app:1", folder])).stdout.trim();
  }, 120_000);
  afterAll(() => world.close());

  const inspect = async (format: string, image: string) =>
    (await world.ok(["inspect", "--format", format, image])).stdout.trim();

  test("inspect is in docker's form, and finds an image by name, ID and beginning of it", async () => {
    const [details] = JSON.parse((await world.ok(["inspect", "app:1"])).stdout);
    expect(details).toMatchObject({
      Id: id,
      RepoTags: ["app:1"],
      Os: "linux",
      Config: { Labels: { l: "x" } },
    });
    expect(details.RootFS.Layers).toHaveLength(2);
    expect(details.Size).toBeGreaterThan(20_000);
    for (const word of [id, id.slice("sha256:".length, 19), id.slice(0, 19)]) {
      expect(await inspect("{{.Id}}", word)).toBe(id);
    }
    expect(await inspect("{{json .Config.Env}}", "app:1")).toContain('"A=1"');
  }, 60_000);

  test("history names the layer and its size at the instruction that made it", async () => {
    const { stdout } = await world.ok(["image", "history", "--format", "json", "app:1"]);
    const steps = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(steps[0]).toMatchObject({ CreatedBy: expect.stringContaining("LABEL"), Size: 0, DiffID: "" });
    expect(steps[1].CreatedBy).toContain("/zeros");
    expect(steps[1].Size).toBeGreaterThan(20_000);
    expect(steps.filter((step) => step.DiffID !== "")).toHaveLength(2);
  }, 60_000);

  test("tag and rmi: the image is gone with its last name", async () => {
    await world.ok(["tag", "app:1", "app:2", "reg.example/x"]);
    expect(JSON.parse(await inspect("{{json .RepoTags}}", id)).sort()).toEqual([
      "app:1",
      "app:2",
      "reg.example/x:latest",
    ]);
    const refused = await world.tsbuild(["rmi", id]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("several names");
    expect((await world.ok(["rmi", "app:2"])).stdout).toBe("Untagged: app:2\n");
    expect((await world.ok(["rmi", "-f", id])).stdout).toContain(`Deleted: ${id}`);
    const gone = await world.tsbuild(["inspect", "busibox"]);
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain("busybox");
  }, 60_000);

  test("image prune takes the nameless ones", async () => {
    const folder = world.context("nameless", { Dockerfile: "FROM busybox\nLABEL n=1\n" });
    const nameless = (await world.ok(["build", "-q", folder])).stdout.trim();
    expect((await world.ok(["image", "prune"])).stdout).toBe(`Deleted: ${nameless}\n`);
    expect((await world.ok(["image", "prune"])).stdout).toBe("");
    expect(await inspect("{{.RepoTags}}", "busybox")).toBe("[busybox:latest]");
  }, 60_000);
});
