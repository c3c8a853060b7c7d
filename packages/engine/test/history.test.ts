import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256, type VertexDigest } from "@tsbuild/base";
import { openStore, type Store } from "@tsbuild/store";
import { expect, onTestFinished, test } from "vitest";
import { type BuildHistory, buildHistory } from "../src/history/read.ts";
import type { BuildRecord, StepRecord } from "../src/history/record.ts";

const T0 = 1_800_000_000_000;

function world(): { readonly root: string; readonly store: Store; readonly history: BuildHistory } {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-history-"));
  const store = openStore({ root });
  onTestFinished(async () => {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });
  return { root, store, history: buildHistory(store) };
}

function step(number: number, name: string, status: StepRecord["status"]): StepRecord {
  const vertex = sha256(name) as string as VertexDigest;
  return { number, name, vertex, inputs: [], status, startedAt: T0 };
}

/** Writes a record, and returns its ID; its process is gone then. */
function record(store: Store, at: number, change: Partial<BuildRecord> = {}): string {
  const writer = store.history.begin(T0 + at);
  const request = {
    context: "/",
    tags: [],
    platforms: [],
    buildArgs: {},
    outputs: [],
    noCache: false,
    noCacheFilter: [],
  };
  const whole = {
    version: 1,
    id: writer.id,
    status: "ok",
    startedAt: T0 + at,
    title: "t",
    request,
    warnings: 0,
    steps: [],
  };
  writer.write(JSON.stringify({ ...whole, ...change }));
  writer.close();
  return writer.id;
}

test("a build is found by its ID, a beginning of it, or its place from the newest", () => {
  const { store, history } = world();
  const ids = [record(store, 1), record(store, 2), record(store, 3)];
  expect(history.list().map(({ id }) => id)).toEqual(ids.toReversed());
  expect(history.find("^0").id).toBe(ids[2]);
  expect(history.find("^2").id).toBe(ids[0]);
  expect(history.find(ids[1] ?? "").id).toBe(ids[1]);
  expect(history.find(ids[1]?.slice(0, 7) ?? "").id).toBe(ids[1]);
  for (const wrong of ["", "^3", "^", "^-1", "^0x1", "nothing"]) {
    expect(() => history.find(wrong), wrong).toThrow(/no build is/);
  }
});

test("a beginning that two builds share names neither; where nothing was built, that is said", () => {
  const { store, history } = world();
  expect(() => history.find("^0")).toThrow(
    expect.objectContaining({ hint: expect.stringContaining("nothing was built") }),
  );
  // Of 17 hexadecimal digits two are alike.
  const ids = Array.from({ length: 17 }, (_, at) => record(store, at));
  const first = ids.map((id) => id.charAt(0)).find((char, i, all) => all.indexOf(char) < i) ?? "";
  expect(() => history.find(first)).toThrow(/builds begin with/);
});

test("a step is found by number, vertex or words that no other has", () => {
  const { store, history } = world();
  record(store, 1, { steps: [step(1, "[1/2] RUN make", "ok"), step(2, "[2/2] RUN make install 1", "ok")] });
  const build = history.find("^0");
  expect(history.step(build, "1").number).toBe(1);
  expect(history.step(build, "install").number).toBe(2);
  expect(history.step(build, sha256("[1/2] RUN make")).number).toBe(1);
  expect(() => history.step(build, "make")).toThrow(/2 steps have "make"/);
  expect(() => history.step(build, "")).toThrow(/no step has ""/);
  expect(() => history.step(build, "run maek instal")).toThrow(
    expect.objectContaining({ hint: expect.stringMatching(/^did you mean "RUN make install"\? tsbuild/) }),
  );
});

test("a record that says it runs, of a process that is gone, is that of a crash", () => {
  const { store, history } = world();
  record(store, 1, { status: "running" });
  expect(history.find("^0").status).toBe("crashed");
});

test("what a power cut left, and records of another version, are passed over", () => {
  const { root, store, history } = world();
  const id = record(store, 1);
  record(store, 2, { version: 2 as 1 });
  for (const [name, text] of [
    ["0mwq70000-00000001", ""],
    ["0mwq70000-00000002", '{"version":1,'],
    ["0mwq70000-00000003", undefined],
    ["not-an-entry", "{}"],
  ] as const) {
    mkdirSync(join(root, "v1/history", name));
    if (text !== undefined) writeFileSync(join(root, "v1/history", name, "build.json"), text);
  }
  expect(history.list().map((build) => build.id)).toEqual([id]);
});

test("a cached step leads to the newest build before in which it ran", () => {
  const { store, history } = world();
  const ran = (status: StepRecord["status"]) => ({ steps: [step(1, "RUN true", status)] });
  record(store, 1, ran("ok"));
  const wanted = record(store, 2, ran("ok"));
  record(store, 3, ran("failed"));
  const asked = record(store, 4, ran("cached"));
  record(store, 5, ran("ok"));
  const build = history.find(asked);
  expect(history.lastRun(build, history.step(build, "1"))?.build.id).toBe(wanted);
  const oldest = history.find("^4");
  expect(history.lastRun(oldest, history.step(oldest, "1"))).toBeUndefined();
});

test("an exported build is taken in under an ID of its own, without what only its state folder has", () => {
  const { store, history } = world();
  const steps = [
    {
      ...step(1, "RUN a", "ok"),
      op: "AA==",
      inputSnapshots: ["7"],
      outputSnapshots: ["8"],
      hasLog: true,
      cpuMs: 3,
    },
    { ...step(2, "RUN b", "running"), inputFolders: [null] },
  ];
  const exported = history.find(record(store, 1, { status: "running", steps, title: "app" }));
  const imported = history.import(JSON.stringify(exported));
  expect(imported.id).not.toBe(exported.id);
  expect(history.find(imported.id)).toEqual({
    ...exported,
    id: imported.id,
    status: "crashed",
    steps: [{ ...step(1, "RUN a", "ok"), cpuMs: 3 }, step(2, "RUN b", "running")],
  });
});

test("what is no exported build is refused by its field", () => {
  const { store, history } = world();
  const good = history.find(record(store, 1));
  for (const [text, why] of [
    ["{", "not valid JSON"],
    ["[]", "not an object"],
    [JSON.stringify({ ...good, version: 2 }), "its version is 2"],
    [JSON.stringify({ ...good, status: "fine" }), 'its status is "fine"'],
    [JSON.stringify({ ...good, startedAt: -1 }), "times"],
    [JSON.stringify({ ...good, request: {} }), "its request"],
    [JSON.stringify({ ...good, steps: {} }), "no list of steps"],
    [JSON.stringify({ ...good, steps: [{ ...step(1, "x", "ok"), inputs: [1] }] }), "step 1"],
  ] as const)
    expect(() => history.import(text)).toThrow(why);
  expect(history.list()).toHaveLength(1);
});
