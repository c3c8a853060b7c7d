/** Networks on demand: who never opens a socket waits for nobody, and nobody sees a network before it is connected. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNetworkPool, type NetworkPool } from "@tsbuild/sandbox";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildSandbox } from "../../../native/sandbox/build.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { Steps } from "./support/steps.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`skipped: networks on demand: ${missing}`);

const OPENS_A_SOCKET = "ip link";
const never = (): Promise<void> => new Promise(() => undefined);

describe.skipIf(missing !== undefined)("a step with a network on demand", () => {
  let roots: TestRoots;
  let steps: Steps;
  beforeAll(() => {
    roots = new TestRoots();
    steps = new Steps(roots);
  });
  afterAll(() => roots.remove());

  const demand = (script: string, connectNetwork: (namespace: string) => Promise<void>) =>
    steps.sh(script, { network: "on-demand" }, { connectNetwork });

  test("that opens no socket of a network asks for none, and has only a loopback", async () => {
    const script = "ls /sys/class/net; nc -U /nowhere 2>&1 | head -c 2";
    const { exitCode, stdout } = await demand(script, () => Promise.reject(new Error("asked")));
    expect({ exitCode, interfaces: stdout.split("\n")[0] }).toEqual({ exitCode: 0, interfaces: "lo" });
  });

  test("waits at its first socket until its namespace is connected, asks once, and then goes on", async () => {
    const asked: string[] = [];
    const own = await demand(
      `readlink /proc/self/ns/net; for i in 1 2 3; do ${OPENS_A_SOCKET} & done; wait`,
      async (path) => {
        asked.push(path);
      },
    );
    expect(own.exitCode).toBe(0);
    expect(own.stdout.match(/LOOPBACK/g)).toHaveLength(3);
    expect(asked).toHaveLength(1);
  });

  test("is connected in its own namespace", async () => {
    let connected = "";
    const { stdout } = await demand(`readlink /proc/self/ns/net; ${OPENS_A_SOCKET}`, async (path) => {
      connected = readlinkSync(path);
    });
    expect(stdout).toContain(connected);
    expect(connected).toMatch(/^net:\[\d+\]$/);
  });

  test("ends with the reason when it cannot be connected", async () => {
    const refused = demand(`${OPENS_A_SOCKET}; sleep 60`, () =>
      Promise.reject(new Error("no network today")),
    );
    await expect(refused).rejects.toThrow("no network today");
  });

  test("ends when it is canceled while it waits, and when what waits is killed", async () => {
    const controller = new AbortController();
    const connectNetwork = (): Promise<void> => {
      controller.abort();
      return never();
    };
    const asks = { connectNetwork, signal: controller.signal };
    await expect(steps.sh(OPENS_A_SOCKET, { network: "on-demand" }, asks)).rejects.toThrow(/canceled/);
    const killed = await demand(`timeout -s KILL 0.2 ${OPENS_A_SOCKET}; echo ended $?`, never);
    expect(killed.stdout).toMatch(/ended 137/);
  });
});

describe.skipIf(missing !== undefined || !existsSync("/dev/net/tun"))("a pool of networks on demand", () => {
  let folder: string;
  let pool: NetworkPool;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-demand-"));
    mkdirSync(join(folder, "bin"));
  });
  afterEach(async () => {
    await pool.close();
    rmSync(folder, { recursive: true });
  });

  /** A provider that notes its starts, and then does `rest`. */
  const poolOf = (rest: string): NetworkPool => {
    const script = `#!/bin/sh\necho start >> ${folder}/starts\n${rest}\n`;
    writeFileSync(join(folder, "bin/slirp4netns"), script, { mode: 0o755 });
    let made = 0;
    const temporaryFolder = (): string => join(folder, `network-${made++}`);
    const proofFile = join(folder, "proof");
    const binary = buildSandbox();
    return createNetworkPool({
      binary,
      choice: "auto",
      path: join(folder, "bin"),
      temporaryFolder,
      proofFile,
    });
  };
  const WORKS = "printf 1\nexec /bin/sleep 60";
  const startCount = (): number =>
    existsSync(join(folder, "starts"))
      ? readFileSync(join(folder, "starts"), "utf8").split("\n").length - 1
      : 0;
  const acquire = async () => {
    const network = await pool.acquire({ onDemand: true });
    if ("unavailable" in network) throw new Error(network.unavailable);
    return network;
  };

  test("starts the provider once to see that it works, and remembers that for the next build", async () => {
    pool = poolOf(WORKS);
    const first = await Promise.all([acquire(), acquire(), acquire()]);
    expect(first.filter(({ fd }) => fd === undefined)).toHaveLength(2);
    expect(startCount()).toBe(1);
    await pool.close();
    pool = poolOf(WORKS.replace("60", "61"));
    /* Another program than the one that worked. */
    expect((await acquire()).fd).toBeGreaterThan(0);
    await pool.close();
    pool = createNetworkPool({
      binary: buildSandbox(),
      choice: "auto",
      path: join(folder, "bin"),
      temporaryFolder: () => join(folder, "other"),
      proofFile: join(folder, "proof"),
    });
    expect((await acquire()).fd).toBeUndefined();
    expect(startCount()).toBe(2);
  });

  test("keeps what a step had connected for the next, unless the step could have changed it", async () => {
    pool = poolOf(WORKS);
    const warm = await acquire();
    const cold = await acquire();
    await cold.connect("/proc/self/ns/net");
    await cold.release({ reusable: true });
    const next = await acquire();
    expect(next.fd).toBeGreaterThan(0);
    await next.release({ reusable: false });
    expect((await acquire()).fd).toBeUndefined();
    await warm.release({ reusable: false });
    expect(startCount()).toBe(2);
  });

  test("a provider that stops working ends the step that asked, and the next build tries it first", async () => {
    pool = poolOf(WORKS);
    await acquire();
    const cold = await acquire();
    writeFileSync(join(folder, "bin/slirp4netns"), "#!/bin/sh\necho no room >&2; exit 1\n", { mode: 0o755 });
    await expect(cold.connect("/proc/self/ns/net")).rejects.toThrow(
      /two starts failed: slirp4netns .*no room/,
    );
    await cold.release({ reusable: true });
    expect(existsSync(join(folder, "proof"))).toBe(false);
    expect(await pool.acquire({ onDemand: true })).toEqual({
      unavailable: expect.stringContaining("no room"),
    });
  });
});
