import { TsbuildError } from "@tsbuild/base";
import type { CollectReport, DiskUsage, PruneRequest, Upkeep, UsageRecord } from "@tsbuild/engine";
import { parseAge, parseSize } from "@tsbuild/engine/sizes";
import { describe, expect, it } from "vitest";
import { runCli } from "../src/cli.ts";
import { parseFilters } from "../src/upkeep/filter.ts";
import { fakeWorld } from "./fake-io.ts";

function record(changes: Partial<UsageRecord>): UsageRecord {
  return {
    id: "snapshot:1",
    type: "regular",
    description: "RUN make",
    sizeBytes: 1_500_000,
    createdAt: Date.now() - 7_200_000,
    lastUsedAt: Date.now() - 7_200_000,
    usageCount: 2,
    mutable: false,
    inUse: false,
    shared: false,
    parents: [],
    heldBy: [],
    costMs: 10,
    ...changes,
  };
}

const usage: DiskUsage = {
  root: "/state",
  records: [
    record({ heldBy: [{ kind: "child", text: "snapshot 2 on it" }] }),
    record({
      id: "snapshot:2",
      description: "COPY . .\u001b[31m",
      parents: ["snapshot:1"],
      shared: true,
      heldBy: [
        { kind: "build", text: "build of /src" },
        { kind: "image", text: "image app" },
      ],
    }),
    record({ id: "mount:1", type: "exec.cachemount", description: "/go", sizeBytes: 500, mutable: true }),
  ],
  totalBytes: 3_000_500,
  reclaimableBytes: 500,
  freeBytes: 10 ** 9,
  diskBytes: 10 ** 10,
};

const removed: CollectReport = {
  removed: [{ record: record({}), why: "over the ceiling" }],
  removedBytes: 1_500_000,
  usedBytes: 1,
  freeBytes: 2,
  heldBytes: 0,
};

function upkeep(requests: PruneRequest[] = []): Upkeep {
  return {
    usage: async () => usage,
    prune: async (request) => {
      requests.push(request);
      return removed;
    },
    check: async () => ({
      problems: [{ kind: "blob", subject: "ab", message: "is bad", repaired: false }],
      checked: { snapshots: 1, blobs: 2, records: 3 },
    }),
    mounts: {
      list: async () => [],
      export: () => {
        throw new TsbuildError("TSB_USAGE", "no such mount");
      },
      import: async () => undefined,
      remove: () => ({ removed: 1, busy: 0 }),
    },
    writeArchive: async () => undefined,
  };
}

async function output(
  args: readonly string[],
  options: { readonly stdin?: string; readonly tty?: boolean } = {},
) {
  const requests: PruneRequest[] = [];
  const io = fakeWorld({
    upkeep: upkeep(requests),
    stdin: options.stdin ?? "",
    stdinIsTTY: options.tty ?? false,
  });
  const code = await runCli(args, io);
  return { code, stdout: io.stdout.text, stderr: io.stderr.text, requests };
}

describe("du", () => {
  it("tells the strongest keeper of each entry, and the totals", async () => {
    const { stdout, code } = await output(["du"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/snapshot:2 +regular +1\.50MB +2 hours ago +image app and 1 more +COPY \. \./);
    expect(stdout).not.toContain("\u001b");
    expect(stdout).toMatch(/mount:1 .* nothing +\/go/);
    expect(stdout).toMatch(/Reclaimable: +500B/);
  });

  it("sums by image and project with what is below", async () => {
    expect((await output(["du", "--by", "image"])).stdout).toMatch(/3\.00MB +2 +app/);
    expect((await output(["du", "--by", "project"])).stdout).toMatch(/3\.00MB +2 +\/src/);
    expect((await output(["du", "--by", "mount"])).stdout).toMatch(/500B +1 +\/go/);
  });

  it("verbose and JSON hold every field", async () => {
    expect((await output(["du", "--verbose", "--filter", "id=snapshot:2"])).stdout).toMatch(
      /Kept by: +build of \/src; image app/,
    );
    const { records } = JSON.parse((await output(["du", "--format", "json"])).stdout) as DiskUsage;
    expect(records).toEqual(usage.records);
  });
});

describe("prune", () => {
  it("asks on a terminal", async () => {
    expect(await output(["prune"], { tty: true, stdin: "n\n" })).toMatchObject({ code: 1, requests: [] });
    expect((await output(["prune"], { tty: true, stdin: "y\n" })).requests).toHaveLength(1);
    expect((await output(["prune", "-f"], { tty: true })).requests).toHaveLength(1);
    expect((await output(["prune"])).requests).toHaveLength(1);
  });

  it("takes limits by all their names and says what went and why", async () => {
    const { requests, stdout } = await output([
      "prune",
      "-a",
      "--keep-storage",
      "20GB",
      "--min-free-space=10%",
    ]);
    expect(requests[0]).toMatchObject({ all: true, maxUsed: { bytes: 20e9 }, minFree: { percent: 10 } });
    expect(stdout).toMatch(/1\.50MB +regular +over the ceiling +RUN make/);
    expect(stdout).toMatch(/removed 1 entry, 1\.50MB/);
  });

  it.each([
    ["--max-used", "much"],
    ["--filter", "tpye=x"],
    ["--filter", "type=exec.cachmount"],
    ["--filter", "until=soon"],
  ])("refuses %s %s", async (...flag) => {
    const { code, stderr } = await output(["prune", ...flag]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/hint: /);
  });
});

describe("fsck and cache", () => {
  it("damage is told, and ends with 1", async () => {
    const { code, stdout } = await output(["fsck"]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /blob ab: is bad\n1 snapshots, 3 records, 2 blobs: 1 of 1 left; tsbuild fsck --repair/,
    );
  });

  it("unknown words get a hint", async () => {
    expect((await output(["cache", "mounts", "exprt"])).stderr).toMatch(
      /action "exprt"\nhint: did you mean export\?/,
    );
    expect((await output(["cache", "mounts", "import", "go", "/nowhere.tar"])).stderr).toMatch(
      /\/nowhere.tar cannot be read/,
    );
    expect((await output(["cache", "steps"])).stderr).toMatch(/cache knows mounts/);
    expect((await output(["cache", "mounts", "rm", "go"])).stdout).toBe("go: 1 folder removed\n");
  });
});

describe("sizes, ages and filters", () => {
  it.each([
    ["50GB", { bytes: 50e9 }],
    ["512MiB", { bytes: 512 * 2 ** 20 }],
    ["1.5g", { bytes: 1.5e9 }],
    ["20%,50GB", { bytes: 50e9, percent: 20 }],
  ])("%s is a size", (text, size) => {
    expect(parseSize("x", text)).toMatchObject(size);
  });

  it.each(["", "GB", "-1", "101%", "1GB,2GB", "5 apples"])("%j is none", (text) => {
    expect(() => parseSize("--max-used", text)).toThrow(/--max-used/);
  });

  it("ages add up", () => {
    expect(parseAge("x", "1h30m")).toBe(5_400_000);
    expect(() => parseAge("x", "24")).toThrow(/span of time/);
  });

  it("filters must all hold; != turns one round", () => {
    const count = (...filters: string[]) => usage.records.filter(parseFilters(filters, parseAge)).length;
    expect(count("shared")).toBe(1);
    expect(count("private=true", "mutable")).toBe(1);
    expect(count("type!=regular")).toBe(1);
    expect(count("parent=snapshot:1")).toBe(1);
    expect(count("until=1h")).toBe(3);
    expect(count("until=24h")).toBe(0);
    expect(count("description=make")).toBe(1);
  });
});
