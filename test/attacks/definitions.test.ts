/** Definitions in which bits were turned over: whoever hands one in gets an error that says so, or what it says now, and nothing else. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { hostPlatform, sha256, TsbuildError } from "@tsbuild/base";
import { copy, diff, type Graph, image, marshalOp, merge, mkdir, unmarshalDefinition } from "@tsbuild/llb";
import { nativeFs } from "@tsbuild/native-fs";
import { NO_GRANTS, type OpsEnvironment, resolveOp } from "@tsbuild/ops";
import { solve } from "@tsbuild/solver";
import { openStore } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkEntitlements } from "../../packages/engine/src/entitlements.ts";
import { Session } from "../../packages/engine/src/session.ts";
import { readSettings } from "../../packages/engine/src/settings.ts";
import { AttackWorld, skipReason } from "./support/attack.ts";

const reason = skipReason("definitions.test.ts");
/** A search for more: TSBUILD_TEST_SEED=2 TSBUILD_TEST_ROUNDS=5000. */
const SEED = Number(process.env["TSBUILD_TEST_SEED"] ?? 1);
const ROUNDS = Number(process.env["TSBUILD_TEST_ROUNDS"] ?? 300);

/** Numbers below `limit`, the same ones for the same seed. */
function random(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Something of every kind of op that reads, writes, runs or mounts. */
function sample(): Graph {
  const base = image("docker.io/library/busybox:latest", { platform: hostPlatform() });
  const files = base.file(
    mkdir("/a")
      .mkfile("/a/file", "text")
      .mkdir("/b", { mode: 0o777 })
      .symlink("/a/file", "/b/link")
      .rm("/etc/group", { allowNotFound: true }),
  );
  const ran = files.run({
    args: ["/bin/sh", "-c", "echo ran > /b/out; cat /m/file; ls /c /run/secrets; : > /t/y"],
    env: ["PATH=/bin"],
    cwd: "/b",
    user: "alice",
    network: "none",
    mounts: [
      { dest: "/m", type: "bind", from: files, selector: "/a", readonly: true },
      { dest: "/c", type: "cache", cache: { id: "mutated", sharing: "shared" } },
      { dest: "/t", type: "tmpfs", sizeBytes: 65_536 },
    ],
    secrets: [{ id: "none", dest: "/run/secrets/none", mode: 0o400, optional: true }],
    ulimits: [{ name: "nofile", soft: 64, hard: 64 }],
    extraHosts: [{ host: "box", ip: "10.0.0.1" }],
  });
  const copied = base.file(
    copy(ran, "/b/o*", "/copied/", { createDestPath: true, allowWildcard: true, mode: "u=rw" }),
  );
  return merge([base, diff(base, files), copied]).toGraph();
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

/** Field 1 of `pb.Definition`, once for each op. */
function definitionOf(ops: readonly Buffer[]): Buffer {
  return Buffer.concat(ops.flatMap((op) => [Buffer.from([0x0a]), varint(op.length), op]));
}

/** The ops of a graph, and the one that only points at its result (Op.inputs, Input.digest). */
function opsOf({ vertices, result }: Graph): Buffer[] {
  const digest = Buffer.from(result?.digest ?? "");
  const input = Buffer.concat([Buffer.from([0x0a]), varint(digest.length), digest]);
  const pointer = Buffer.concat([Buffer.from([0x0a]), varint(input.length), input]);
  return [...vertices.map(({ op }) => Buffer.from(marshalOp(op))), pointer];
}

/** Turns bits of one op over, and names it anew in the ops that use it: else every such definition would end at a name that is not there. */
function mutate(ops: readonly Buffer[], below: (limit: number) => number): Buffer[] {
  const chosen = below(ops.length - 1);
  const renamed = new Map<string, string>();
  return ops.map((op, index) => {
    const bytes = Buffer.from(op);
    for (const [from, to] of renamed)
      for (let at = bytes.indexOf(from); at >= 0; at = bytes.indexOf(from, at + 1)) bytes.write(to, at);
    if (index === chosen)
      for (let flips = 1 + below(3); flips > 0; flips--) bytes[below(bytes.length)]! ^= 1 << below(8);
    if (!bytes.equals(op)) renamed.set(sha256(op), sha256(bytes));
    return bytes;
  });
}

/** Errors of this program's own making among what led to one: it went on with something that it should have refused. A damaged message is the reader's. */
function slips(error: unknown): string[] {
  if (!(error instanceof Error) || error.message.startsWith("the LLB definition cannot be read")) return [];
  const own =
    error instanceof TypeError || error instanceof RangeError || /^assertion failed/.test(error.message);
  return [...(own ? [`${error.name}: ${error.message}`] : []), ...slips(error.cause)];
}

describe.skipIf(reason !== undefined)("definitions from elsewhere", () => {
  const world = new AttackWorld();
  let session: Session;
  let env: OpsEnvironment;
  const never = new AbortController().signal;

  beforeAll(async () => {
    await world.start();
    session = new Session({
      store: openStore({ root: world.root, native: nativeFs }),
      settings: readSettings({ ...process.env, ...world.env }),
      isolation: "sandbox",
      env: process.env,
    });
    env = session.environment({
      images: await session.images({ pull: false, offline: true, signal: never }),
      contexts: new Map(),
      grants: NO_GRANTS,
      networkProvider: "host",
    });
  });
  afterAll(async () => {
    await session.close();
    world.close();
  });

  async function build(definition: Uint8Array): Promise<void> {
    const graph = unmarshalDefinition(definition);
    checkEntitlements(
      {} as Parameters<typeof checkEntitlements>[0],
      { graph } as Parameters<typeof checkEntitlements>[1],
    );
    const { store } = session;
    const { ref } = await solve({
      graph,
      resolveOp: (vertex) => resolveOp(env, vertex),
      storage: store.cache,
      locks: store.locks,
      jobs: 2,
      signal: never,
      emit: () => undefined,
    });
    ref?.release();
  }

  // Fails when the reader, the validator or an executor takes something for granted that only this program's own compiler guarantees.
  test(`are refused with a reason or built, ${ROUNDS} times (seed ${SEED})`, async () => {
    const ops = opsOf(sample());
    await build(definitionOf(ops));
    const below = random(SEED);
    const ends = { built: 0, unread: 0, failed: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const definition = definitionOf(mutate(ops, below));
      try {
        await build(definition);
        ends.built++;
      } catch (error) {
        const what = `round ${round}: ${definition.toString("base64")}\n${error instanceof Error ? error.stack : error}`;
        expect(error, what).toBeInstanceOf(TsbuildError);
        expect(slips(error), what).toEqual([]);
        ends[(error as TsbuildError).vertex === undefined ? "unread" : "failed"]++;
      }
    }
    console.info(JSON.stringify(ends));
    // All three happen, so neither the reader nor the executors were spared.
    expect(Math.min(...Object.values(ends)), JSON.stringify(ends)).toBeGreaterThan(ROUNDS / 50);
    expect(world.isIntact).toBe(true);
    expect(readdirSync(world.outside).sort()).toEqual(["busybox", "empty", "precious"]);
    expect(readdirSync(join(world.outside, "empty"))).toEqual([]);
    await build(definitionOf(ops));
    expect((await world.tsbuild(["fsck"])).code).toBe(0);
  });
});
