import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotId, VertexDigest } from "@tsbuild/base";
import type { CopyAction, FileAction, Op } from "@tsbuild/llb";
import { type NativeFs, nativeFs } from "@tsbuild/native-fs";
import { openStore, refForSnapshot, type Store } from "@tsbuild/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileOp } from "../src/file/op.ts";
import { refForContext } from "../src/local/context.ts";
import { snapshotOf } from "../src/tree.ts";
import { COPY, diffId, environment, layerFolder } from "./support/copies.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.log("skipped: files that are copied while they are digested: needs root");

const BYTES = 5_000_000;
const EPOCH = 1_600_000_000;

describe.skipIf(!isRoot)("a large file of a context", () => {
  let folder: string;
  let store: Store;
  const content = randomBytes(BYTES);
  const big = () => join(folder, "ctx/big");

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-staged-"));
    mkdirSync(join(folder, "ctx"));
    writeFileSync(big(), content, { mode: 0o640 });
    writeFileSync(join(folder, "ctx/small"), "small");
    store = openStore({ root: join(folder, "state") });
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Of a COPY of the context onto nothing; digested when it is made. */
  async function copyOf(
    action: Partial<CopyAction>,
    { willRun, fs, more = [] }: { willRun: boolean; fs?: NativeFs; more?: readonly FileAction["action"][] },
  ) {
    const actions = [{ ...COPY, ...action }, ...more].map((one, i) => ({
      input: i === 0 ? 0 : i + 1,
      secondaryInput: i === 0 ? 1 : -1,
      output: i === more.length ? 0 : -1,
      action: one,
    }));
    const op = { inputs: [{}, {}], kind: { type: "file", actions } } as unknown as Op & {
      kind: { type: "file" };
    };
    const { signal } = new AbortController();
    const context = { vertex: "" as VertexDigest, signal, emit: () => undefined, ignoreCache: false };
    const source = refForContext({ name: "context", folder: join(folder, "ctx"), ignore: [] });
    const copying = fileOp(environment(store, fs), op as never);
    const { inputs } = await copying.cacheMap(context);
    const { digest } = await inputs[1]!.content!(source, { ...context, willRun });
    const run = async (): Promise<SnapshotId> => {
      const base = refForSnapshot(store, null);
      const [result] = await copying.run([base, source], context);
      return snapshotOf(result!)!;
    };
    return { digest, run };
  }

  const temporaryFiles = (): string[] =>
    readdirSync(join(folder, "state"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && statSync(join(entry.parentPath, entry.name)).size >= BYTES)
      .map((entry) => join(entry.parentPath, entry.name));

  test("is read once when the step will run: what was digested is what is copied", async () => {
    const { run } = await copyOf({}, { willRun: true });
    expect(temporaryFiles()).toHaveLength(1);
    writeFileSync(big(), randomBytes(BYTES));
    const layer = layerFolder(store, await run());
    expect(readFileSync(join(layer, "app/big")).equals(content)).toBe(true);
    expect(readFileSync(join(layer, "app/small"), "utf8")).toBe("small");
    const { mode, nlink, uid } = statSync(join(layer, "app/big"));
    expect([mode & 0o7777, nlink, uid]).toEqual([0o640, 1, 0]);
    expect(temporaryFiles()).toEqual([join(layer, "app/big")]);
  });

  test("is read again where a record may be found, and must be what it was", async () => {
    const { run } = await copyOf({}, { willRun: false });
    expect(temporaryFiles()).toEqual([]);
    writeFileSync(big(), randomBytes(BYTES));
    await expect(run()).rejects.toMatchObject({ code: "TSB_CONTEXT" });
  });

  const NOTHING: FileAction["action"] = {
    ...{ type: "rm", path: "/none", allowNotFound: true, allowWildcard: false },
  };
  test.each<[string, Partial<CopyAction>, readonly FileAction["action"][]]>([
    ["with a folder", {}, []],
    ["alone", { src: "/big", dest: "/new" }, []],
    [
      "with mode, owner and time",
      { src: "/big", dest: "/", mode: 0o4701, owner: { user: { id: 7 } }, timestampNs: 9n },
      [],
    ],
    ["through an overlay", { src: "/big", dest: "/new" }, [NOTHING]],
  ])("%s has the digest and makes the layer that it has otherwise", async (_name, action, more) => {
    const [staged, plain] = [
      await copyOf(action, { willRun: true, more }),
      await copyOf(action, { willRun: false, more }),
    ];
    expect(staged.digest).toBe(plain.digest);
    const ids = [
      await diffId(store, await staged.run(), EPOCH),
      await diffId(store, await plain.run(), EPOCH),
    ];
    expect(ids[0]).toBe(ids[1]);
  });

  test("that somebody writes to meanwhile is read in the usual way", async () => {
    let hashed = 0;
    const fs: NativeFs = {
      ...nativeFs,
      apply: async (...args) => {
        const digests = await nativeFs.apply(...args);
        if (args[3].hash) appendFileSync(big(), "more");
        return digests;
      },
      hashFiles: (root, paths) => {
        hashed += paths.filter((path) => path === "big").length;
        return nativeFs.hashFiles(root, paths);
      },
    };
    await copyOf({ src: "/big", dest: "/new" }, { willRun: true, fs });
    expect([hashed, temporaryFiles()]).toEqual([1, []]);
  });

  test("that may be an archive is not copied as it is", async () => {
    await copyOf({ src: "/big", dest: "/new", attemptUnpackDockerCompatibility: true }, { willRun: true });
    expect(temporaryFiles()).toEqual([]);
  });

  test("is taken from the disk when the step fails", async () => {
    const { run } = await copyOf(
      { src: "/big", dest: "/new", owner: { user: { name: "nobody-there", input: 0 } } },
      { willRun: true },
    );
    expect(temporaryFiles()).toHaveLength(1);
    await expect(run()).rejects.toThrow();
    expect(temporaryFiles()).toEqual([]);
  });
});
