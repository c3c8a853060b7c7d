import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { HistoryWriter, LogFrame, Store } from "@tsbuild/store";
import { describe, expect, it } from "vitest";
import { decodeFrames, encodeFrame } from "../src/history/log-frames.ts";
import { names, openAt, temporaryRoot } from "./world.ts";

const T0 = 1_800_000_000_000;

function finished(store: Store, at: number, logBytes = 0): string {
  const writer = store.history.begin(T0 + at);
  writer.write(`{"at":${at}}`);
  if (logBytes > 0) writer.log("1", { stream: 1, at, data: Buffer.alloc(logBytes, "x") });
  writer.close();
  return writer.id;
}

const documents = (store: Store): (string | undefined)[] =>
  store.history.list().map((entry) => entry.document());

function textOf(frames: Iterable<LogFrame>, stream?: 1 | 2): string {
  const chosen = [...frames].filter((frame) => stream === undefined || frame.stream === stream);
  return Buffer.concat(chosen.map(({ data }) => data)).toString("latin1");
}

/** A process that begins an entry, says so, and then waits to be killed. */
function beginElsewhere(root: string): Promise<{ kill(): Promise<void> }> {
  const program = `
    import { openStore } from "@tsbuild/store";
    const writer = openStore({ root: ${JSON.stringify(root)} }).history.begin(${T0 + 5});
    writer.write("half");
    writer.log("2", { stream: 2, at: 7, data: Buffer.from("last words") });
    console.log(writer.id);
    setInterval(() => undefined, 1000);`;
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program];
  const child = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stdout.once("data", () =>
      resolve({
        kill: () => {
          child.kill("SIGKILL");
          return ended;
        },
      }),
    );
  });
}

describe("the history", () => {
  it("lists entries newest first, with their last document", () => {
    const store = openAt(temporaryRoot());
    expect(store.history.list()).toEqual([]);
    finished(store, 1);
    const id = finished(store, 3);
    finished(store, 2);
    expect(documents(store)).toEqual(['{"at":3}', '{"at":2}', '{"at":1}']);
    expect(store.history.list()[0]).toMatchObject({ id, startedAtMs: T0 + 3 });
  });

  it("shows an entry to others from its begin, open until it is closed", () => {
    const root = temporaryRoot();
    const [one, other] = [openAt(root), openAt(root)];
    const writer = one.history.begin(T0);
    const look = () => other.history.list().map((entry) => [entry.document(), entry.isOpen()]);
    expect(look()).toEqual([[undefined, true]]);
    writer.write("first");
    writer.write("second");
    expect(look()).toEqual([["second", true]]);
    expect(other.history.remove(writer.id)).toBe(false);
    writer.close();
    writer.close();
    expect(look()).toEqual([["second", false]]);
    expect(names(root, "history")).toHaveLength(1);
  });

  it("keeps what a killed process wrote, no longer open, and lets it be removed", async () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const process = await beginElsewhere(root);
    const [entry] = store.history.list();
    expect(entry?.isOpen()).toBe(true);
    store.history.trim({ builds: 0 });
    expect(store.history.list()).toHaveLength(1);
    await process.kill();
    expect(entry?.isOpen()).toBe(false);
    expect(entry?.document()).toBe("half");
    expect(textOf(entry?.log("2") ?? [])).toBe("last words");
    expect(store.history.remove(entry?.id ?? "")).toBe(true);
    expect(names(root, "history")).toEqual([]);
  });

  it("removes an entry whole, and nothing that is not there", () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const id = finished(store, 1, 10);
    expect(store.history.remove("ffffffff")).toBe(false);
    expect(store.history.remove(id)).toBe(true);
    expect(store.history.remove(id)).toBe(false);
    expect(names(root, "history")).toEqual([]);
  });

  it("reads an entry that was removed meanwhile as empty", () => {
    const store = openAt(temporaryRoot());
    const id = finished(store, 1, 10);
    const [entry] = store.history.list();
    store.history.remove(id);
    expect(entry?.document()).toBeUndefined();
    expect([...(entry?.log("1") ?? [])]).toEqual([]);
    expect(entry?.isOpen()).toBe(false);
  });

  it("discards an entry", () => {
    const root = temporaryRoot();
    const writer = openAt(root).history.begin(T0);
    writer.log("1", { stream: 1, at: 1, data: Buffer.from("x") });
    writer.discard();
    expect(names(root, "history")).toEqual([]);
  });

  it("gives no path out of its folder", () => {
    const root = temporaryRoot();
    const store = openAt(root);
    finished(store, 1);
    writeFileSync(join(root, "log-x"), "1 1 1\nx\n");
    const [entry] = store.history.list();
    expect([...(entry?.log("/../../../../log-x") ?? [])]).toEqual([]);
  });
});

describe("trim of the history", () => {
  it("keeps the newest, exactly so for small numbers", () => {
    const store = openAt(temporaryRoot());
    for (let at = 0; at < 5; at++) finished(store, at);
    store.history.trim({ builds: 3 });
    expect(documents(store)).toEqual(['{"at":4}', '{"at":3}', '{"at":2}']);
  });

  it("removes in batches: an eighth more may stay", () => {
    const store = openAt(temporaryRoot());
    for (let at = 0; at < 18; at++) finished(store, at);
    store.history.trim({ builds: 16 });
    expect(store.history.list()).toHaveLength(18);
    finished(store, 18);
    store.history.trim({ builds: 16 });
    expect(store.history.list()).toHaveLength(16);
  });

  it("keeps logs up to a size, and the newest build's whatever its size", () => {
    const store = openAt(temporaryRoot());
    for (const [at, size] of [3000, 400, 400, 400, 5].entries()) finished(store, at, size);
    store.history.trim({ builds: 10, logBytes: 1000 });
    expect(documents(store)).toEqual(['{"at":4}', '{"at":3}', '{"at":2}']);
    finished(store, 9, 9000);
    store.history.trim({ builds: 10, logBytes: 1000 });
    expect(documents(store)).toEqual(['{"at":9}']);
  });

  it("removes lock files of processes that died on the way", () => {
    const root = temporaryRoot();
    const store = openAt(root);
    const lost = join(root, "v1/history/0mwq708pk-00000000.lock");
    for (let at = 0; at < 3; at++) finished(store, at);
    writeFileSync(lost, "");
    const open = store.history.begin(T0 + 9);
    store.history.trim({ builds: 1 });
    expect(existsSync(lost)).toBe(false);
    expect(names(root, "history")).toHaveLength(2);
    open.close();
    expect(readdirSync(join(root, "v1/history"))).toHaveLength(1);
  });
});

describe("the log of a step", () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

  function logged(write: (writer: HistoryWriter) => void): LogFrame[] {
    const store = openAt(temporaryRoot());
    const writer = store.history.begin(T0);
    write(writer);
    writer.close();
    return [...(store.history.list()[0]?.log("3") ?? [])];
  }

  it("comes back byte for byte, with stream and time", () => {
    const sent: LogFrame[] = [
      { stream: 1, at: 10, data: Buffer.from("1 1 1\n") },
      { stream: 2, at: 11, data: every },
      { stream: 1, at: 12, data: Buffer.from("no line break") },
    ];
    const read = logged((writer) => {
      for (const frame of sent) writer.log("3", frame);
      writer.log("4", { stream: 1, at: 13, data: Buffer.from("another step") });
    });
    expect(read.map((frame) => ({ ...frame, data: Buffer.from(frame.data) }))).toEqual(sent);
  });

  it("comes back whole when it is larger than a piece", () => {
    const data = Buffer.alloc(1_000_001, every);
    const read = logged((writer) => {
      for (let i = 0; i < 3; i++) writer.log("3", { stream: 1, at: i, data });
    });
    expect(Buffer.concat(read.map((frame) => frame.data)).equals(Buffer.concat([data, data, data]))).toBe(
      true,
    );
  });

  it("is read alike wherever the pieces of its file end", () => {
    const frames = [every.subarray(0, 20), Buffer.alloc(0), Buffer.from("\n\n")];
    const file = Buffer.concat(
      frames.map((data, i) => encodeFrame({ stream: i === 1 ? 1 : 2, at: i, data })),
    );
    for (let size = 1; size <= file.length; size++) {
      const pieces = Array.from({ length: Math.ceil(file.length / size) }, (_, i) =>
        file.subarray(i * size, (i + 1) * size),
      );
      expect(textOf(decodeFrames(pieces)), `pieces of ${size}`).toBe(
        Buffer.concat(frames).toString("latin1"),
      );
    }
  });

  it("counts as far as it goes after a crash, and ends at what is no frame", () => {
    const [first, second] = [1, 2].map((at) => encodeFrame({ stream: 1, at, data: Buffer.from("abcdef") }));
    if (first === undefined || second === undefined) throw new Error("no frames");
    expect(textOf(decodeFrames([first, second.subarray(0, -4)]))).toBe("abcdefabc");
    expect(textOf(decodeFrames([first, second.subarray(0, 3)]))).toBe("abcdef");
    expect(textOf(decodeFrames([first, Buffer.from("rubbish\n".repeat(20)), second]))).toBe("abcdef");
    expect(textOf(decodeFrames([Buffer.alloc(100)]))).toBe("");
  });

  it("shows its text to whoever opens the file", () => {
    const root = temporaryRoot();
    const writer = openAt(root).history.begin(T0);
    writer.log("3", { stream: 2, at: 1234, data: Buffer.from("hello\n") });
    const [folder = ""] = names(root, "history").filter((name) => !name.endsWith(".lock"));
    expect(readFileSync(join(root, "v1/history", folder, "log-3"), "latin1")).toBe("2 1234 6\nhello\n\n");
    writer.close();
  });
});
