import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "@tsbuild/base";
import { afterAll } from "vitest";
import { runCli } from "../src/cli.ts";
import { type FakeWorld, fakeWorld, type WorldOptions } from "./fake-io.ts";

/** A context for builds that never run, gone when the tests of the file that asks for it are over. */
export function contextFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-cli-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  return folder;
}

export const imageId = sha256("image");

/** A command line before an engine that does nothing: its exit status, what it printed, and what it asked of the engine. */
export async function cli(
  args: string[],
  options: WorldOptions = {},
): Promise<FakeWorld & { status: number }> {
  const world = fakeWorld(options);
  const status = await runCli(args, world);
  return Object.assign(world, { status });
}
