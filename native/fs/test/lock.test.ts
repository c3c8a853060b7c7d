import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { nativeFs } from "../src/index.ts";
import { failureOf, temporaryFolder } from "./fixture.ts";

const source = join(import.meta.dirname, "../src/index.ts");

/** A process that holds a lock until it is killed. */
async function holder(path: string, mode: "shared" | "exclusive"): Promise<ChildProcess> {
  const script = `import { nativeFs } from ${JSON.stringify(source)};
    const fd = nativeFs.tryLock(${JSON.stringify(path)}, ${JSON.stringify(mode)});
    process.stdout.write(fd === undefined ? "busy" : "held");
    setInterval(() => {}, 1000);`;
  const node = join(import.meta.dirname, "../../../node_modules/.bin/node");
  const child = spawn(node, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [answer] = await once(child.stdout!, "data");
  expect(String(answer)).toBe("held");
  return child;
}

function tryBriefly(path: string, mode: "shared" | "exclusive"): boolean {
  const fd = nativeFs.tryLock(path, mode);
  if (fd !== undefined) nativeFs.close(fd);
  return fd !== undefined;
}

test("an exclusive lock keeps other processes out until its holder is killed", async () => {
  const path = join(temporaryFolder(), "lock");
  const child = await holder(path, "exclusive");
  expect(tryBriefly(path, "exclusive")).toBe(false);
  expect(tryBriefly(path, "shared")).toBe(false);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(tryBriefly(path, "exclusive")).toBe(true);
});

test("shared locks go together, and keep an exclusive one out", async () => {
  const path = join(temporaryFolder(), "lock");
  await holder(path, "shared");
  expect(tryBriefly(path, "shared")).toBe(true);
  expect(tryBriefly(path, "exclusive")).toBe(false);
});

test("within one process a second lock is refused too, and closing releases", () => {
  const path = join(temporaryFolder(), "lock");
  const fd = nativeFs.tryLock(path, "exclusive")!;
  expect(tryBriefly(path, "exclusive")).toBe(false);
  nativeFs.close(fd);
  expect(tryBriefly(path, "exclusive")).toBe(true);
  expect(statSync(path).mode & 0o7777).toBe(0o600);
});

test("a lock is on the file that the path names now", () => {
  const path = join(temporaryFolder(), "lock");
  const old = nativeFs.tryLock(path, "exclusive")!;
  unlinkSync(path);
  const fd = nativeFs.tryLock(path, "exclusive")!;
  expect(statSync(path).ino).toBe(statSync(`/proc/self/fd/${fd}`).ino);
  nativeFs.close(old);
  nativeFs.close(fd);
});

test("descriptors do not reach programs that are started", () => {
  const fd = nativeFs.tryLock(join(temporaryFolder(), "lock"), "exclusive")!;
  const flags = Number.parseInt(
    /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))![1]!,
    8,
  );
  expect(flags & 0o2000000).toBe(0o2000000);
  nativeFs.close(fd);
});

test("a path that cannot be opened is an error, not a lock that is busy", async () => {
  const failure = await failureOf(() => nativeFs.tryLock("/no/such/folder/lock", "shared"));
  expect(failure).toMatchObject({ code: "ENOENT", syscall: "open", path: "/no/such/folder/lock" });
});
