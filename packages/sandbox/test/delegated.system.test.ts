/** A builder that is alone in a delegated group of version 2, as after `systemd-run --user --scope -p Delegate=yes`. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const unified = / (\S+) cgroup2 rw/.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1] ?? "";
const CONTROLLER = "hugetlb";

function reasonNotTo(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root";
  if (unified === "") return "no cgroup2 is mounted writable";
  const controllers = readFileSync(`${unified}/cgroup.controllers`, "utf8").split(/\s+/);
  return controllers.includes(CONTROLLER) ? undefined : `version 2 has no ${CONTROLLER} controller here`;
}

const reason = reasonNotTo();
if (reason !== undefined) console.warn(`skipped: delegated groups: ${reason}`);

const own = `${unified}/tsbuild-test-${process.pid}`;
const enable = { file: "cgroup.subtree_control", value: `+${CONTROLLER}` };
const plan = {
  parents: [own, `${own}/tsbuild`].map((path) => ({ path, settings: [enable] })),
  path: `${own}/tsbuild/a`,
  settings: [{ file: `${CONTROLLER}.2MB.max`, value: "2097152", limit: "memory" }],
  version: 2,
  own,
  hasMemory: false,
  inherits: [],
};

const builder = `
import { existsSync, readFileSync, writeFileSync } from "node:fs";
const { StepCgroups } = await import(process.argv[1]);
const plan = JSON.parse(process.argv[2]);
writeFileSync(plan.own + "/cgroup.procs", String(process.pid));
const groups = new StepCgroups([plan]);
const file = plan.path + "/" + plan.settings[0].file;
const limit = existsSync(file) ? readFileSync(file, "utf8") : "";
console.log(JSON.stringify({ refused: groups.refused, limit: limit.trim(), own: /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))[1] }));
await groups.remove();
`;

describe.skipIf(reason !== undefined)("a delegated group", () => {
  const before = reason === undefined ? readFileSync(`${unified}/cgroup.subtree_control`, "utf8") : "";

  beforeAll(() => {
    writeFileSync(`${unified}/cgroup.subtree_control`, `+${CONTROLLER}`);
    mkdirSync(own);
  });
  afterAll(async () => {
    for (const path of ["tsbuild/a", "tsbuild", "tsbuild-builder", ""].map((name) => `${own}/${name}`)) {
      for (let tries = 0; existsSync(path) && tries < 50; tries++) {
        try {
          rmdirSync(path);
        } catch {
          /* The process that ended in it is still being let go. */
          await sleep(20);
        }
      }
    }
    if (!before.includes(CONTROLLER)) writeFileSync(`${unified}/cgroup.subtree_control`, `-${CONTROLLER}`);
  });

  function build(): { refused: readonly { reason: string }[]; limit: string; own: string } {
    const cgroup = fileURLToPath(new URL("../src/cgroup.ts", import.meta.url));
    const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", builder];
    const { stdout, stderr } = spawnSync(process.execPath, [...args, cgroup, JSON.stringify(plan)], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    return JSON.parse(stdout);
  }

  test("hands controllers to its steps once its builder has moved into a leaf", () => {
    expect(build()).toEqual({
      refused: [],
      limit: "2097152",
      own: `${own.slice(unified.length)}/tsbuild-builder`,
    });
  });

  test("is left alone where it has other processes, and the limit is named", async () => {
    writeFileSync(`${own}/tsbuild/cgroup.subtree_control`, `-${CONTROLLER}`);
    writeFileSync(`${own}/cgroup.subtree_control`, `-${CONTROLLER}`);
    const other = spawnSync("sh", ["-c", `sleep 20 >/dev/null 2>&1 & echo $! | tee ${own}/cgroup.procs`], {
      encoding: "utf8",
    });
    try {
      const { refused, own: stayed } = build();
      expect(stayed).toBe(own.slice(unified.length));
      expect(refused).toMatchObject([{ limit: "memory" }]);
      expect(refused[0]?.reason).toContain("has processes of its own");
    } finally {
      process.kill(Number(other.stdout), "SIGKILL");
    }
  });
});
