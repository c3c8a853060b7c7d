/** Devices under control groups of version 2: the kernel is asked for every rule and its neighbours. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSandbox } from "../../../native/sandbox/build.ts";
import { createSandbox, type HostFacts, readHostFacts } from "../src/index.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { execSpec } from "./support/spec.ts";

function unifiedMount(): string | undefined {
  return / (\S+) cgroup2 rw/.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1];
}

function reasonNotTo(): string | undefined {
  const missing = missingForSystemTests();
  if (missing !== undefined) return missing;
  if (unifiedMount() === undefined) return "no cgroup2 is mounted writable";
  return readHostFacts().userNamespace === "none" ? undefined : "needs the first user namespace";
}

const reason = reasonNotTo();
if (reason !== undefined) console.warn(`skipped: devices of version 2 groups: ${reason}`);

/** Makes a node, and says whether that and opening it to read and to write was let. */
const TRY = `try() {
  rm -f /n; mknod -m 666 /n $1 $2 $3 2>/dev/null || { echo "$1 $2:$3 none"; return; }
  r=; w=
  (exec 3</n) 2>/tmp/err && r=r; grep -q "not permitted" /tmp/err || r=r
  (exec 3>/n) 2>/tmp/err && w=w; grep -q "not permitted" /tmp/err || w=w
  echo "$1 $2:$3 m$r$w"
}
`;

describe.skipIf(reason !== undefined)("a step in a version 2 group", () => {
  let roots: TestRoots;
  const v2 = (): HostFacts => ({
    ...readHostFacts(),
    devices: undefined,
    cgroups: { version: 2, mountPoint: unifiedMount() ?? "", path: "/" },
  });
  beforeAll(() => {
    roots = new TestRoots();
  });
  afterAll(() => roots.remove());

  async function step(host: HostFacts, script: string, security: "sandbox" | "insecure" = "sandbox") {
    const root = await roots.open();
    const printed: Buffer[] = [];
    const spec = execSpec({
      rootFd: root.fd,
      args: ["sh", "-c", script],
      id: `filter-${process.pid}`,
      security,
    });
    const outcome = await createSandbox({ binary: buildSandbox(), host })
      .run(spec, {
        stdout: (chunk) => printed.push(Buffer.from(chunk)),
        stderr: (chunk) => printed.push(Buffer.from(chunk)),
        signal: new AbortController().signal,
      })
      .finally(() => root.close());
    return { ...outcome, text: Buffer.concat(printed).toString() };
  }

  test("may make any node, and open the usual ones and no other", async () => {
    const tries = [
      ...["c 1 3", "c 1 5", "c 1 7", "c 1 8", "c 1 9", "c 5 0", "c 5 2", "c 136 0", "c 136 77"],
      ...[
        "c 1 1",
        "c 1 2",
        "c 1 4",
        "c 1 11",
        "c 5 1",
        "c 10 200",
        "c 10 229",
        "b 1 3",
        "b 7 0",
        "b 8 0",
        "b 254 0",
      ],
    ];
    const { text } = await step(v2(), `${TRY}${tries.map((node) => `try ${node}`).join("\n")}`);
    const allowed = text.split("\n").filter((line) => line.endsWith(" mrw"));
    const refused = text.split("\n").filter((line) => line.endsWith(" m"));
    expect(allowed).toHaveLength(9);
    expect(allowed.every((line) => /^c (1:[35789]|5:[02]|136:\d+) mrw$/.test(line))).toBe(true);
    expect(refused).toHaveLength(11);
  });

  test("uses a device that it made, which nodev would not let it", async () => {
    const script = "mknod -m 666 /x c 1 3 && echo hi > /x && echo opened; cat /proc/self/cgroup | grep ^0:";
    expect((await step(v2(), script)).text).toBe("opened\n0::/\n");
    const withoutRights = {
      ...v2(),
      capabilities: v2().capabilities.filter((name) => !/SYS_ADMIN|BPF/.test(name)),
    };
    expect((await step(withoutRights, script)).text).toMatch(/Permission denied/);
  });

  test("opens everything when it is insecure", async () => {
    const { text } = await step(v2(), `${TRY}try c 1 11; try c 10 200`, "insecure");
    expect(text).toBe("c 1:11 mrw\nc 10:200 mrw\n");
  });
});
