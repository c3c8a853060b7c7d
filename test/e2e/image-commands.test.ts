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
  }, 300_000);
  afterAll(() => world.close());

  const inspect = async (format: string, image: string) =>
    (await world.ok(["inspect", "--format", format, image])).stdout.trim();

  test("inspect is in docker's form; it and run find an image by name, ID and beginning of it", async () => {
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
      expect(await world.inside(word, "echo", "runs")).toBe("runs\n");
    }
    expect(await inspect("{{json .Config.Env}}", "app:1")).toContain('"A=1"');
  }, 300_000);

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
  }, 300_000);

  test("inspect --layers tells what makes an image large, --diff what is new in it", async () => {
    const folder = world.context("large", {
      Dockerfile: [
        "FROM busybox",
        "ENV A=2",
        "RUN mkdir /d && head -c 50000 /dev/urandom > /d/gone && head -c 30000 /dev/urandom > /kept",
        "RUN rm -r /d && cp /kept /copy",
      ].join("\n"),
    });
    await world.ok(["build", "-q", "-t", "large", folder]);
    const anatomy = JSON.parse((await world.ok(["inspect", "--layers", "--format", "json", "large"])).stdout);
    expect(anatomy.layers).toHaveLength(3);
    expect(anatomy.layers[1]).toMatchObject({ layer: 2, files: 2, fileBytes: 80_000, wastedBytes: 50_000 });
    expect(anatomy.layers[1].createdBy).toContain("/d/gone");
    expect(anatomy.wasted).toEqual([
      { path: "/d", by: 3, how: "deleted", layers: [2], files: 1, sizeBytes: 50_000 },
    ]);
    expect(anatomy.duplicates[0]?.places.map(({ path }: { path: string }) => path)).toEqual([
      "/copy",
      "/kept",
    ]);
    const text = (await world.ok(["image", "inspect", "--layers", "large"])).stdout;
    expect(text).toMatch(
      /^large:latest: .* in 3 layers, 50\.00kB of it deleted or replaced later, 30\.00kB in duplicates\n/,
    );
    const difference = (await world.ok(["inspect", "--diff", "app:1", "large"])).stdout;
    expect(difference).toMatch(
      /^large:latest against app:1: 2 added, 1 removed, 0 changed\n\+ +\+30\.00kB +\/copy\n\+ +\+30\.00kB +\/kept\n- +-20\.00kB +\/zeros\n/,
    );
    expect(difference).toContain("~ Env.A: 1 → 2\n- Labels.l: x\n");
  }, 300_000);

  test("sbom is a document about what is installed", async () => {
    const document = JSON.parse((await world.ok(["image", "sbom", "app:1"])).stdout);
    expect(document).toMatchObject({ spdxVersion: "SPDX-2.3", name: "app:1" });
    expect((await world.ok(["image", "sbom", "--format", "table", "app:1"])).stdout).toMatch(
      /^NAME +VERSION/,
    );
  }, 300_000);

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
  }, 300_000);

  test("an image output names the image, and wrong options are told before anything is built", async () => {
    const folder = world.context("output", { Dockerfile: "FROM busybox\nLABEL o=1\n" });
    const output = "type=image,name=by/output:1,name-canonical=true";
    await world.ok(["build", "--progress=none", "-o", output, folder]);
    const listed = await world.ok([
      "images",
      "--format",
      "{{.Repository}}:{{.Tag}}",
      "--filter",
      "label=o=1",
    ]);
    expect(listed.stdout.split("\n").sort()).toEqual(["", "by/output:1", "by/output:<none>"]);
    const refused = await world.tsbuild(["build", "-o", "type=oci,dest=x.tar,compresion=zstd", folder]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("did you mean compression?");
    expect(refused.stderr).not.toContain("FROM");
    await world.ok(["rmi", "by/output:1"]);
  }, 300_000);

  test("image prune takes the nameless ones", async () => {
    const folder = world.context("nameless", { Dockerfile: "FROM busybox\nLABEL n=1\n" });
    const nameless = (await world.ok(["build", "-q", folder])).stdout.trim();
    expect((await world.ok(["image", "prune"])).stdout).toBe(`Deleted: ${nameless}\n`);
    expect((await world.ok(["image", "prune"])).stdout).toBe("");
    expect(await inspect("{{.RepoTags}}", "busybox")).toBe("[busybox:latest]");
  }, 300_000);

  test("image prune --all takes what the filters let through, as docker's does", async () => {
    const labels = (name: string) => ["import", "-c", `LABEL p=${name}`, world.path("busybox.tar"), name];
    for (const name of ["one", "two"]) await world.ok(labels(name));
    const prune = async (...filters: readonly string[]) =>
      (await world.ok(["image", "prune", "-af", ...filters.flatMap((one) => ["--filter", one])])).stdout;
    expect(await prune("label=p", "until=1h")).toBe("");
    expect(await prune("label=p", "label!=p=two")).toMatch(/^Untagged: one:latest\nDeleted: sha256:.*\n$/);
    expect(await prune("label=p=two")).toContain("Untagged: two:latest");
    expect(await inspect("{{.RepoTags}}", "busybox")).toBe("[busybox:latest]");
  }, 300_000);

  test("import without a name, for another platform, with any instruction that sets the config", async () => {
    const archive = world.path("busybox.tar");
    const flags = ["--platform=linux/arm/v7", "-m", "by hand", "-c", "WORKDIR /w", "-c", "ENV A=1"];
    const id = (await world.ok(["import", ...flags, archive])).stdout.trim();
    expect(
      await inspect("{{.Architecture}}{{.Variant}} {{.Comment}} {{.Config.WorkingDir}} {{.Config.Env}}", id),
    ).toBe("armv7 by hand /w [PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin A=1]");
    for (const change of ["FROM busybox", "RUN x", "COPY a b", "WORKDIR /w\nRUN x"]) {
      const refused = await world.tsbuild(["import", "-c", change, archive]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("that set the config")]);
    }
    await world.ok(["rmi", id]);
  }, 300_000);
});
