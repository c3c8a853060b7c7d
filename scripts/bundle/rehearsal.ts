/**
 * Runs command lines of a bundle one after the other in this process, and keeps what V8 compiled meanwhile. Started by warm.ts with a JSON `Rehearsal`
 * as its argument.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Pack, Packs, Program } from "../../packages/cli/src/boot/program.ts";
import { startRegistry } from "../../packages/testkit/src/registry.ts";

export interface Rehearsal {
  readonly dist: string;
  readonly packs: readonly Pack[];
  readonly acts: readonly Act[];
  /** A file that gets the chunks that each act evaluated, as JSON. */
  readonly evaluated: string;
  /** What stands in commands for the address of a registry. */
  readonly registry: string;
}

export interface Act {
  readonly commands: readonly (readonly string[])[];
  /** Name of the pack of which the code is kept that is there at the end of the act. */
  readonly keep?: string;
}

const { exit } = process;
// A user's program enters a namespace by replacing its process; this one was started in it (warm.ts).
Reflect.deleteProperty(process, "execve");

async function runOnce(packs: Packs, dist: string, command: readonly string[]): Promise<readonly string[]> {
  const program = new Program(packs, dist);
  process.argv = [process.execPath, join(dist, "tsbuild.js"), ...command];
  await new Promise<void>((resolve) => {
    process.exit = (() => resolve()) as unknown as typeof process.exit;
    program.load("./main.chunk.js");
  });
  return program.evaluated;
}

async function rehearse({ dist, packs: parts, acts, evaluated: report, registry }: Rehearsal): Promise<void> {
  const { host } = await startRegistry();
  const packs = new Packs(dist, parts);
  const evaluated: string[][] = [];
  for (const { commands, keep } of acts) {
    const ids = new Set<string>();
    for (const command of commands) {
      const args = command.map((argument) => argument.replaceAll(registry, host));
      for (const id of await runOnce(packs, dist, args)) ids.add(id);
    }
    evaluated.push([...ids]);
    const script = keep === undefined ? undefined : packs.scripts.get(keep);
    if (script !== undefined) writeFileSync(join(dist, `${keep}.code`), script.createCachedData());
  }
  writeFileSync(report, JSON.stringify(evaluated));
  exit(0);
}

await rehearse(JSON.parse(process.argv[2] ?? "") as Rehearsal);
