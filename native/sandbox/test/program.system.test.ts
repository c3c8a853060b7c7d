/** The native program by itself: its reader under sanitizers, and what it answers to plans that are wrong. */
import { execFileSync, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeFs } from "@tsbuild/native-fs";
import {
  compilePlan,
  encodePlan,
  type PlanOp,
  readHostFacts,
  type SandboxPlan,
  stepPacket,
  toRuntimeSpec,
} from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errnoName } from "../../../packages/sandbox/src/errno-name.ts";
import { type Frame, FrameReader } from "../../../packages/sandbox/src/frames.ts";
import { type PlanArgumentKind, planOps } from "../../../packages/sandbox/src/plan-ops.ts";
import { missingForSystemTests } from "../../../packages/sandbox/test/support/rootfs.ts";
import { execSpec } from "../../../packages/sandbox/test/support/spec.ts";
import { WARNINGS } from "../../compile.ts";
import { sources } from "../build.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`tests of tsbuild-sandbox skipped: ${missing}`);

const here = fileURLToPath(new URL(".", import.meta.url));
const src = join(here, "../src");
const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

/** A whole real plan, with mounts, so that damage has something of every kind to hit. */
function realPlan(): SandboxPlan {
  const host = readHostFacts();
  const mounts = [
    { type: "bind", fd: 21, sourcePath: "a", kind: "folder", dest: "/mnt", readonly: true },
    { type: "tmpfs", dest: "/tmp", mode: 0o1777 },
  ] as const;
  const user = { uid: 1, gid: 2, additionalGids: [3, 4] };
  const spec = execSpec({ mounts, user, args: ["sh", "-c", "true"], network: "none" });
  return compilePlan(toRuntimeSpec(spec, host), { host, cgroupFiles: [] });
}

/** Each operation that there is, with arguments of some length: the rows that no step has are read by the same code. */
function planOfEveryOp(): SandboxPlan {
  const samples: Readonly<Record<PlanArgumentKind, unknown>> = {
    fd: 1,
    u64: 0x0102030405060708n,
    str: "some/path",
    strs: ["one", "", "three"],
    bytes: new Uint8Array(24).fill(7),
  };
  const ops = Object.entries(planOps).map(([op, { args }]) => {
    return {
      op,
      ...Object.fromEntries(args.map(([name, kind]) => [name, samples[kind]])),
    } as unknown as PlanOp;
  });
  return { fds: [20, 21], stdio: "terminal", ops };
}

/** Checks without which the reader would go too far: the fuzzer has to miss each of them. */
const CHECKS = [
  'if (size > in->left) return malformed(err, "length beyond the end");',
  'if (size >= in->left) return malformed(err, "string beyond the end");',
  'if (in->left < sizeof *value) return malformed(err, "ends early");',
  'if (op->code >= OP_COUNT) return malformed(err, "unknown operation");',
];

describe.skipIf(missing !== undefined)("tsbuild-sandbox", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-native-"));
  const program = join(folder, "sandbox");
  const mutator = join(folder, "mutate-plan");

  function compile(output: string, files: readonly string[]): void {
    execFileSync("cc", [...WARNINGS, ...SANITIZERS, "-o", output, ...files], { stdio: "inherit" });
  }

  beforeAll(() => {
    const reader = sources().filter((path) => /\/(plan|err)\.c$/.test(path));
    compile(mutator, [join(here, "mutate-plan.c"), ...reader]);
    compile(program, sources());
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("the reader survives a hundred thousand damaged plans", () => {
    const seed = `${Date.now()}`;
    console.info(`seed ${seed}`);
    for (const plan of [realPlan(), planOfEveryOp()]) {
      const options = { input: encodePlan(plan), encoding: "utf8" } as const;
      const text = execFileSync(mutator, [seed, "50000"], options);
      expect(text).toMatch(/^\d+ of 50000 accepted/);
    }
  });

  test.each(CHECKS)("a reader without a check is found out: %s", (check) => {
    const source = readFileSync(join(src, "plan.c"), "utf8");
    expect(source).toContain(check);
    const weak = join(folder, "plan.c");
    writeFileSync(weak, source.replaceAll(check, "(void)err;"));
    const program = join(folder, "weak-mutator");
    compile(program, ["-I", src, join(here, "mutate-plan.c"), weak, join(src, "err.c")]);
    const input = encodePlan(planOfEveryOp());
    const { status, stderr } = spawnSync(program, ["1", "100000"], { input, encoding: "utf8" });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/AddressSanitizer|runtime error/);
  });

  /** What `attach` prints and how it ends, with a plan of mounts; `failure` is what it tells on the control socket. */
  async function attach(args: readonly string[], source: number, ops: readonly PlanOp[] = []) {
    const env = { PATH: "/usr/bin:/bin", ASAN_OPTIONS: "detect_leaks=0" };
    const stdio: StdioOptions = ["ignore", "pipe", "inherit", "pipe", source];
    const child = spawn(program, ["attach", ...args], { stdio, env });
    const control = child.stdio[3] as Socket;
    const frames = new FrameReader();
    let failure = "";
    let stdout = "";
    control.on("data", (chunk: Buffer) => {
      for (const frame of frames.push(chunk))
        if (frame.type === "failed")
          failure = `${frame.line} ${frame.call} ${frame.text}: ${errnoName(frame.errno)}`;
      control.end();
    });
    control.on("error", () => control.destroy());
    child.stdout?.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    control.write(encodePlan({ fds: [source], stdio: "log", ops }));
    const [status] = (await once(child, "close")) as [number];
    return { status, stdout, failure };
  }

  test("attach: trees below a folder, the program's status, and what is missing is said", async () => {
    for (const name of ["source/sub", "target", "aside"]) mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, "source/sub/file"), "inside");
    const fd = openSync(join(folder, "source"), constants.O_RDONLY | constants.O_DIRECTORY);
    const [target, aside] = [join(folder, "target"), join(folder, "aside")];
    const ended = { stdout: "", failure: "" };
    expect(await attach([aside, "4", "sub", target, "--", "cat", join(target, "file")], fd)).toEqual({
      ...ended,
      status: 0,
      stdout: "inside",
    });
    const script = `ls ${target}; echo $$; exit 7`;
    expect(await attach([aside, "4", "", target, "--", "sh", "-c", script], fd)).toEqual({
      ...ended,
      status: 7,
      stdout: "sub\n2\n",
    });
    expect(await attach([aside, "--", "sh", "-c", "kill -9 $$"], fd)).toEqual({ ...ended, status: 137 });
    expect(existsSync(join(target, "file"))).toBe(false);
    const failures: [string[], string][] = [
      [["4", "none", target, "--", "true"], "-1 openat2 none: ENOENT"],
      [["4", "sub", `${target}/none`, "--", "true"], `-1 move_mount ${target}/none: ENOENT`],
      [["--", "no-such-program"], "-1 execve no-such-program: ENOENT"],
    ];
    for (const [args, failure] of failures)
      expect(await attach([aside, ...args], fd)).toEqual({ ...ended, status: 125, failure });
    for (const args of [[], [aside], [aside, "4"], [aside, "4", "sub"], [aside, "4", "sub", target]])
      expect(await attach(args, fd)).toEqual({ ...ended, status: 125 });
    closeSync(fd);
  });

  /* What a runtime with the fix of CVE-2024-45310 would do, and one without it does not: the runtime is given no target at all. */
  test("attach: mounts are made in the root by its links, and never where the runtime mounts its own", async () => {
    const root = join(folder, "attached-root");
    for (const name of ["dev", "proc", "sys", "c", "in"]) mkdirSync(join(root, name), { recursive: true });
    writeFileSync(join(root, "in/file"), "inside");
    for (const [name, to] of Object.entries({
      out: `${folder}/outside`,
      up: "../../../in",
      alias: "dev",
      top: "/",
    }))
      symlinkSync(to, join(root, name));
    for (const name of ["outside", "rootfs", "aside"]) mkdirSync(join(folder, name), { recursive: true });
    const fd = openSync(root, constants.O_RDONLY | constants.O_DIRECTORY);
    const rootfs = join(folder, "rootfs");
    const tree: PlanOp = { op: "tree", source: 0, path: "in", attrs: 0, flags: 1 };
    const mounted = (dest: string, flags = 1) => {
      const command = ["cat", `${rootfs}/c/deep/file`, `${rootfs}/in/made/file`];
      const args = [join(folder, "aside"), "4", "", rootfs, "--", ...command];
      return attach(args, fd, [tree, { op: "bind", tree: 0, dest, flags }]);
    };
    const catFailed = { status: 1, failure: "" };
    expect(await mounted("/c/deep")).toEqual({ ...catFailed, stdout: "inside" });
    expect(await mounted("/up/made")).toEqual({ ...catFailed, stdout: "inside" });
    for (const dest of ["/dev", "/alias", "/alias/shm", "/sys/x", "/proc", "/top"])
      expect(await mounted(dest)).toEqual({
        status: 125,
        stdout: "",
        failure: `1 mount target ${dest}: EBUSY`,
      });
    expect((await mounted("/out/made")).failure).toBe("1 mkdirat /out: EEXIST");
    expect(readdirSync(join(folder, "outside"))).toEqual([]);
    rmSync(join(root, "sys"), { recursive: true });
    symlinkSync("c", join(root, "sys"));
    expect((await mounted("/c/deep")).failure).toMatch(/^-1 openat2 sys: (ELOOP|ENOTDIR)$/);
    closeSync(fd);
  });

  /** The program's frames for some bytes, after which the socket stays open until the last unless `hangUp`. */
  async function answer(bytes: Buffer, hangUp = false): Promise<Frame[]> {
    /* Nothing is freed on purpose: the process ends instead. */
    const env = { ASAN_OPTIONS: "detect_leaks=0" };
    const child = spawn(program, ["step", "sealed"], { stdio: ["ignore", "ignore", "inherit", "pipe"], env });
    const control = child.stdio[3] as Socket;
    const reader = new FrameReader();
    const frames: Frame[] = [];
    control.on("data", (chunk: Buffer) => {
      frames.push(...reader.push(chunk));
      /* The program waits for its last frame's answer. */
      if (frames.some(({ type }) => type !== "output")) control.end();
    });
    control.write(bytes);
    if (hangUp) control.end();
    await new Promise<void>((resolve) => void child.on("close", () => resolve()));
    return frames;
  }

  const failed = (call: string, text: string, line = -1) => [
    { type: "failed", call, text, line, errno: expect.any(Number) },
  ];

  function plan(ops: SandboxPlan["ops"]): Buffer {
    return encodePlan({ fds: [], stdio: "log", ops });
  }

  test("bytes that are no plan are refused with a reason", async () => {
    const good = plan([{ op: "umask", mask: 0 }]);
    expect(await answer(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).toEqual(failed("plan", "not a plan"));
    expect(await answer(good.subarray(0, 20), true)).toEqual(failed("recv", "plan"));
    const huge = Buffer.from(good);
    huge.writeUInt32LE(0x7fffffff, 8);
    expect(await answer(huge)).toEqual(failed("plan", "too large"));
    const longer = Buffer.concat([good, Buffer.alloc(3)]);
    longer.writeUInt32LE(longer.length - 12, 8);
    expect(await answer(longer)).toEqual(failed("plan", "bytes left over"));
  });

  test("codes, descriptors and strings are checked", async () => {
    const unknown = plan([{ op: "umask", mask: 0 }]);
    unknown.writeUInt32LE(999, 24);
    expect(await answer(unknown)).toEqual(failed("plan", "unknown operation", 0));
    expect(await answer(plan([{ op: "root", mount: 0, attrs: 0 }]))).toEqual(
      failed("plan", "no such descriptor", 0),
    );
    const nul = plan([{ op: "chdir", path: "/abc" }]);
    nul[nul.indexOf("abc")] = 0;
    expect(await answer(nul)).toEqual(failed("plan", "NUL inside a string", 0));
  });

  test("plans that make no sense are refused where they stop making sense", async () => {
    expect(await answer(plan([]))).toEqual(failed("plan", "does not end with exec"));
    const fork = [{ op: "umask", mask: 0o22 }, { op: "fork" }] as const;
    expect(await answer(plan(fork))).toEqual(failed("fork", "fork before clone", 1));
    const mask = [{ op: "mask", path: "/proc/keys" }] as const;
    expect(await answer(plan(mask))).toEqual(failed("openat2", "the root is not mounted yet", 0));
    const bind = [{ op: "bind", tree: 3, dest: "/", flags: 0 }] as const;
    expect(await answer(plan(bind))).toEqual(failed("move_mount", "no such tree", 0));
  });

  test("a failure after clone is told by PID 1, one after fork by the command's process", async () => {
    const clone = { op: "clone", flags: 0x20000000 } as const;
    const chdir = { op: "chdir", path: "/no/such/folder" } as const;
    expect(await answer(plan([clone, chdir]))).toEqual(failed("chdir", "/no/such/folder", 1));
    expect(await answer(plan([clone, { op: "fork" }, chdir]))).toEqual(failed("chdir", "/no/such/folder", 2));
    expect(await answer(plan([clone, clone]))).toEqual(failed("clone3", "second clone in a plan", 1));
  });

  test("a plan in two halves: PID 1 goes on with the second, and what is wrong with it is told", async () => {
    const first = plan([{ op: "clone", flags: 0x20000000 }, { op: "await" }]);
    const then = (second: Buffer) => answer(Buffer.concat([first, second]));
    const exec = { op: "exec", args: ["/bin/sh", "-c", "exit 5"], env: [] } as const;
    const ran = await then(plan([{ op: "fork" }, exec]));
    expect(ran).toEqual([expect.objectContaining({ type: "exited", waitStatus: 5 << 8 })]);
    const chdir = { op: "chdir", path: "/no/such/folder" } as const;
    expect(await then(plan([chdir]))).toEqual(failed("chdir", "/no/such/folder", 2));
    expect(await then(plan([{ op: "umask", mask: 0 }]))).toEqual(failed("plan", "does not end with exec", 2));
    expect(await then(plan([{ op: "adopt", path: "/proc" }]))).toEqual(
      failed("move_mount", "nothing was staged", 2),
    );
    expect(await then(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).toEqual(failed("plan", "not a plan", 0));
    const absent = encodePlan({ fds: [20], stdio: "log", ops: [{ op: "fork" }, exec] });
    expect(await then(absent)).toEqual(failed("recvmsg", "other descriptors than announced"));
    const large = plan([{ op: "session_keyring", name: "x".repeat(300_000) }]);
    expect(await then(large)).toEqual(failed("recvmsg", "plan too large", 0));
    expect(await answer(plan([{ op: "await" }]))).toEqual(failed("await", "not the end of a first half", 0));
    const killed = expect.objectContaining({ type: "exited", waitStatus: 9, initKilled: true });
    expect(await answer(first, true)).toEqual([killed]);
  });

  /** `serve` under sanitizers: what it says at its end, after packets with so many descriptors each, and the frames of each. */
  async function serve(
    packets: readonly { readonly bytes: Uint8Array; readonly plans: readonly Buffer[] }[],
  ) {
    const [channel, theirs] = nativeFs.socketPair("packets");
    const child = spawn(program, ["serve", "sealed"], {
      stdio: [theirs, "ignore", "pipe"],
      env: { ASAN_OPTIONS: "detect_leaks=0" },
    });
    nativeFs.close(theirs);
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const ended = once(child, "close");
    const frames: Frame[][] = [];
    for (const { bytes, plans } of packets) {
      const pairs = plans.map(() => nativeFs.socketPair("stream"));
      nativeFs.sendDescriptors(
        channel,
        bytes,
        pairs.map(([, end]) => end),
      );
      for (const [, end] of pairs) nativeFs.close(end);
      for (const [index, [fd]] of pairs.entries()) frames.push(await speak(fd, plans[index]!));
    }
    nativeFs.close(channel);
    const [code] = await ended;
    return { code, said, frames };
  }

  /** Sends a plan on a socket and collects frames until its end. */
  async function speak(fd: number, bytes: Buffer): Promise<Frame[]> {
    const control = new Socket({ fd, readable: true, writable: true });
    const reader = new FrameReader();
    const frames: Frame[] = [];
    control.on("data", (chunk: Buffer) => {
      frames.push(...reader.push(chunk));
      if (frames.some(({ type }) => type !== "output")) control.end();
    });
    /* Who refuses a step reads nothing of its plan. */
    control.on("error", () => control.destroy());
    control.write(bytes);
    await new Promise<void>((resolve) => void control.on("close", () => resolve()));
    return frames;
  }

  test("serve: a process for each step, and it ends when it is hung up on", async () => {
    const exec = { op: "exec", args: ["/bin/sh", "-c", "echo out; exit 5"], env: [] } as const;
    const good = plan([{ op: "clone", flags: 0x20000000 }, { op: "fork" }, exec]);
    const step = { bytes: stepPacket(1), plans: [good] };
    const { code, said, frames } = await serve([step, { bytes: stepPacket(1), plans: [plan([])] }, step]);
    const ran = [
      { type: "output", stream: 1, data: Buffer.from("out\n") },
      expect.objectContaining({ type: "exited", waitStatus: 5 << 8 }),
    ];
    expect({ code, said }).toEqual({ code: 0, said: "" });
    expect(frames).toEqual([ran, failed("plan", "does not end with exec"), ran]);
  });

  test("serve: damaged packets end it with a reason, and nothing else", async () => {
    let state = Date.now() >>> 0;
    console.info(`seed ${state}`);
    const next = (bound: number): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * bound);
    };
    for (let round = 0; round < 60; round++) {
      const plans = Array.from({ length: next(4) }, () => plan([]));
      const bytes = Buffer.from(stepPacket(plans.length));
      const size = 1 + next(next(4) === 0 ? 12 : 40);
      const damaged = Buffer.concat([bytes, Buffer.alloc(64, next(256))]).subarray(
        0,
        next(2) === 0 ? size : 12,
      );
      if (damaged.length > 8) damaged[next(damaged.length)]! ^= 1 << next(8);
      const isWhole = damaged.equals(bytes) && plans.length > 0;
      const { code, said } = await serve([{ bytes: damaged, plans }]);
      const expected = isWhole ? "" : expect.stringMatching(/^recvmsg [a-z ]+: Bad message\n$/);
      expect({ code, said }).toEqual({ code: isWhole ? 0 : 1, said: expected });
    }
  });

  test("under sanitizers: output, exit and a killed command", async () => {
    const exec = { op: "exec", args: ["/bin/sh", "-c", "echo out; kill -9 $$"], env: [] } as const;
    const frames = await answer(plan([{ op: "clone", flags: 0x20000000 }, { op: "fork" }, exec]));
    expect(frames).toEqual([
      { type: "output", stream: 1, data: Buffer.from("out\n") },
      expect.objectContaining({ type: "exited", waitStatus: 9, initKilled: false }),
    ]);
  });
});
