import { spawnSync } from "node:child_process";
import { chmodSync, readdirSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { nativeFs } from "../src/index.ts";
import { failureOf, temporaryFolder } from "./fixture.ts";

/** A script with one argument; what it said and how it ended. */
async function runScript(script: string) {
  const path = `${temporaryFolder()}/program`;
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o700);
  const [ours, theirs] = nativeFs.socketPair("stream");
  const { pid, errors } = nativeFs.startProgram(path, "task", theirs);
  nativeFs.close(theirs);
  const input = new Socket({ fd: ours, writable: true });
  // Ended by a program that has not read it all.
  input.on("error", () => input.destroy());
  input.end("input\n");
  const said = await text(new Socket({ fd: errors, readable: true, writable: false }));
  for (;;) {
    const end = nativeFs.programEnd(pid);
    if (end !== undefined) return { pid, said, end };
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("a program gets its argument and its input, a clean state, and its errors are heard", async () => {
  const script = [
    'read line; echo "$1 $line $PWD" >&2; echo dropped',
    "tr '\\0' ' ' </proc/self/environ >&2",
    "grep -E '^Sig(Blk|Ign)' /proc/self/status >&2; readlink /proc/$$/fd/1 | cat >&2; exit 7",
  ].join("\n");
  const { said, end } = await runScript(script);
  expect(end).toEqual({ status: 7, signal: 0 });
  expect(said).toContain("task input /\n");
  // The shell's own.
  expect(said).not.toContain("HOME=");
  expect(said).toMatch(/SigBlk:\t0+\nSigIgn:\t0+\n\/dev\/null\n$/);
});

test("it is told when a signal ended it; then there is nothing to wait for any more", async () => {
  const { pid, end } = await runScript("kill -9 $$");
  expect(end).toEqual({ status: 0, signal: 9 });
  expect(await failureOf(() => nativeFs.programEnd(pid))).toMatchObject({
    code: "ECHILD",
    syscall: "waitpid",
  });
});

test("what cannot be started is an error at once, and leaves nothing open", async () => {
  /* This process opens and closes files of its own meanwhile, but not so many. */
  const tries = 100;
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  for (let i = 0; i < tries; i++) {
    expect(await failureOf(() => nativeFs.startProgram("/no/such/program", "task", 0))).toMatchObject({
      code: "ENOENT",
      syscall: "posix_spawn",
      path: "/no/such/program",
    });
  }
  expect(open()).toBeLessThan(before + tries / 2);
});

test("a process ends at once, with the status that it is given", () => {
  const script = `
    import { nativeFs } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
    process.on("exit", () => console.log("exit"));
    console.log("written");
    nativeFs.endProcess(7);
    console.log("not reached");`;
  const ended = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  expect([ended.status, ended.stdout]).toEqual([7, "written\n"]);
});
