import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, runOk, World } from "./world.ts";

const reason = missing("busybox");
if (reason !== undefined) console.log(`skipped: the engine in a program: ${reason}`);

const repository = join(import.meta.dirname, "../..");

describe.skipIf(reason !== undefined)("the engine in a program", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  /** Runs a program with this repository's packages; gives what it printed. */
  async function program(text: string): Promise<string> {
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module-typescript", "-e", text];
    return (await runOk(process.execPath, args, { cwd: repository, env: world.env })).stdout;
  }

  test("the example of the README builds an image, as it stands there", async () => {
    const readme = readFileSync(join(repository, "README.md"), "utf8");
    const [, example = ""] = /## From a program\n\n```ts\n([\s\S]*?)```/.exec(readme) ?? [];
    const folder = world.context("readme", { Dockerfile: "FROM busybox\nCOPY f /\n", f: "1" });
    const here = example.replace('"/var/lib/tsbuild"', JSON.stringify(world.root));
    const printed = await program(here.replace('path: "."', `path: ${JSON.stringify(folder)}`));
    expect(printed).toMatch(/^build-started\n[\s\S]*vertex-completed\n[\s\S]*sha256:[0-9a-f]{64}\n$/);
    const [, imageId = "none"] = /(sha256:[0-9a-f]{64})\n$/.exec(printed) ?? [];
    expect((await world.ok(["inspect", "-f", "{{.Id}}", "app"])).stdout).toBe(`${imageId}\n`);
  });

  test("a failure is an error with a code and the place; a signal stops a build and leaves the engine of use", async () => {
    const failing = world.context("fails", { Dockerfile: "FROM busybox\nRUN exit 3\n" });
    const slow = world.context("slow", { Dockerfile: "FROM busybox\nRUN echo up; sleep 4242\n" });
    const printed = await program(`
      import { openEngine } from "@tsbuild/engine";
      const engine = await openEngine({ root: ${JSON.stringify(world.root)} });
      const folder = (path: string) => ({ context: { type: "folder", path } }) as const;
      const failed = await engine.build(folder(${JSON.stringify(failing)})).catch((error) => error);
      console.log(failed.code, failed.source.ranges[0].start);
      const stop = new AbortController();
      const onEvent = (event: { type: string }) => event.type === "log" && stop.abort();
      const stopped = await engine.build(folder(${JSON.stringify(slow)}), { signal: stop.signal, onEvent }).catch((error) => error);
      console.log(stopped.code);
      console.log((await engine.images()).map(({ name }) => name).join());
      await engine.close();
    `);
    expect(printed).toMatch(/^TSB_EXEC 2\nTSB_CANCELED\n.*busybox/);
  });
});
