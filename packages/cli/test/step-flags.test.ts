import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseBytes, parseResource, parseUlimit } from "../src/flags/limits.ts";
import { parseAgents, parseAllow, parseSecret } from "../src/flags/step-grants.ts";

const env = { TOKEN: "t" };
const file = (path: string) => ({ type: "file", path });
const variable = (name: string) => ({ type: "env", name });

describe("--secret (C014, W010)", () => {
  test.each([
    ["id=TOKEN", variable("TOKEN")],
    ["id=token", file("token")],
    ["id=a,src=b", file("b")],
    ["id=a,source=b,type=file", file("b")],
    ["id=TOKEN,type=file", file("TOKEN")],
    ["id=a,env=TOKEN", variable("TOKEN")],
    ["type=env,id=a,src=TOKEN", variable("TOKEN")],
    ["id=a,type=env", variable("a")],
    ['id=a,"src=b,c"', file("b,c")],
  ])("%s", (text, source) => {
    const [, secret] = parseSecret(text, env);
    expect(secret).toEqual({ source, invalidate: false });
  });
  test("invalidate", () => {
    expect(parseSecret("id=a,src=b,invalidate=true", env)[1].invalidate).toBe(true);
    expect(parseSecret("id=a,src=b,invalidate", env)[1].invalidate).toBe(true);
  });
  test.each([
    ["src=x", /the id is missing/],
    ["id=a,type=text", /unknown type "text"/],
    ["id=a,sorce=b", /unknown key "sorce"/],
    ["id=a,src=b,env=c", /both given/],
    ["id=a,type=file,env=c", /type=file/],
    ["id=a,x", /not KEY=VALUE/],
    ["id=a,invalidate=1", /invalidate=1/],
  ])("refuses %s", (text, message) => expect(() => parseSecret(text, env)).toThrow(message));
  test("names the key that was meant", () => {
    expect(() => parseSecret("id=a,sorce=b", env)).toThrow(
      expect.objectContaining({ hint: "did you mean source=?" }) as Error,
    );
  });
});

describe("--ssh (C015)", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-ssh-flag-"));
  const socket = join(folder, "agent");
  const [one, two] = [join(folder, "one"), join(folder, "two")];
  const server = createServer();
  beforeAll(async () => {
    writeFileSync(one, "key");
    writeFileSync(two, "key");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  test("the agent of the environment, a socket, keys", () => {
    const own = { type: "socket", path: socket };
    const withAgent = { SSH_AUTH_SOCK: socket };
    expect(parseAgents(["default"], withAgent)).toEqual({ default: own });
    expect(parseAgents([""], withAgent)).toEqual({ default: own });
    expect(parseAgents(["default", `git=${socket}`, `keys=${one},${two}`], withAgent)).toEqual({
      default: own,
      git: own,
      keys: { type: "keys", files: [one, two] },
    });
  });
  test.each<[string[], Record<string, string>, RegExp]>([
    [["default"], {}, /SSH_AUTH_SOCK is not set/],
    [["default"], { SSH_AUTH_SOCK: "/none/here" }, /SSH_AUTH_SOCK is \/none\/here, which does not exist/],
    [["x=/none/here"], {}, /does not exist/],
  ])("what it refuses: %j with %j", (texts, environment, message) => {
    expect(() => parseAgents(texts, environment)).toThrow(message);
  });
  test("what it refuses of several paths", () => {
    expect(() => parseAgents([`x=${socket},${one}`], {})).toThrow(/one socket, or several keys/);
    expect(() => parseAgents([`x=${one}`, `x=${two}`], {})).toThrow(/x is given twice/);
  });
});

test("--allow (C021)", () => {
  expect(parseAllow("network.host")).toBe("network.host");
  expect(() => parseAllow("security.insecur")).toThrow(
    expect.objectContaining({ hint: "did you mean security.insecure?" }) as Error,
  );
});

test("sizes are binary, as Docker has them", () => {
  const sizes = ["64m", "64MB", "64MiB", "1.5g", "512", "7b"].map((text) => parseBytes("--shm-size", text));
  expect(sizes).toEqual([2 ** 26, 2 ** 26, 2 ** 26, 1.5 * 2 ** 30, 512, 7]);
  expect(() => parseBytes("--shm-size", "lots")).toThrow(/--shm-size: cannot read "lots"/);
});

test("--ulimit (C022)", () => {
  expect(parseUlimit("nofile=1024:2048")).toEqual({ name: "nofile", soft: 1024, hard: 2048 });
  expect(parseUlimit("core=unlimited")).toEqual({ name: "core", soft: -1, hard: -1 });
  for (const text of ["nofile", "nofile=2:1", "nofile=-1:5", "nofile=a", "nofle=1", "nofile=1:2:3"])
    expect(() => parseUlimit(text)).toThrow("--ulimit");
});

test("--resource (C023)", () => {
  expect(parseResource('memory=1g,memory-swap=-1,"cpuset-cpus=0,1",pids=9')).toEqual({
    memoryBytes: 2 ** 30,
    memorySwapBytes: -1,
    cpusetCpus: "0,1",
    pids: 9,
  });
  expect(() => parseResource("memroy=1g")).toThrow(
    expect.objectContaining({ hint: "did you mean memory=?" }) as Error,
  );
  expect(() => parseResource("cpuset-cpus=a")).toThrow(/cpuset-cpus/);
});
