/** Steps in an OCI runtime (runc and its kin) instead of the native sandbox: the same spec, as a bundle. */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import { type RefusedLimit, readUsage } from "./cgroup.ts";
import { type CgroupPlan, planCgroups, unplacedLimits } from "./cgroup-plan.ts";
import { type HostFacts, ownGroups, readHostFacts } from "./host.ts";
import { failureOfRuntime, OnlyWords, runtimeErrors, statusOfFailure } from "./oci-failure.ts";
import { type RuntimeResources, type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
import { isFdSource, parseFdSource } from "./plan-mounts.ts";
import { tellRefused } from "./refused-limits.ts";
import type { ExecIo, ExecOutcome, ExecSpec, Sandbox } from "./spec.ts";

export interface OciSandboxOptions {
  /** Program of the native sandbox, which mounts what the spec names by descriptor. */
  readonly binary: string;
  /** `runc`, `crun` or a path. */
  readonly runtime: string;
  /** Folder for the runtime's own state, shared by all builds of a state folder. */
  readonly stateFolder: string;
  /** A fresh folder for a bundle. */
  readonly temporaryFolder: () => string;
  /** Where programs are looked up. */
  readonly path: string;
}

/** What is mounted where before the runtime starts: a descriptor, a path beneath it, and a host path. */
interface Attachment {
  readonly fd: number;
  readonly path: string;
  readonly target: string;
}

interface Bundle {
  readonly folder: string;
  readonly attachments: readonly Attachment[];
  /** The group that limits the step's memory, which the runtime makes; none without such a limit. */
  readonly memoryGroups: readonly CgroupPlan[];
}

const run = promisify(execFile);

function findRuntime(name: string, path: string): string {
  if (name.includes("/")) return name;
  const found = path
    .split(delimiter)
    .concat("/usr/sbin", "/sbin")
    .map((folder) => join(folder, name))
    .find((candidate) => existsSync(candidate));
  if (found !== undefined) return found;
  throw new TsbuildError("TSB_SANDBOX", `the OCI runtime ${JSON.stringify(name)} is not installed`, {
    hint: `apt-get install ${name}, or give its path: --oci-runtime=/usr/local/bin/${name}`,
  });
}

interface DeviceRule {
  readonly allow: boolean;
  readonly type?: "c" | "b" | "a";
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

/**
 * Rules of the devices control group, by which runtimes confine what the native sandbox confines by mounts: making nodes is allowed,
 * opening them only for those of the spec and terminals. A runtime that is told of a device does not allow it by itself.
 */
function deviceRules(spec: RuntimeSpec, confined: boolean): DeviceRule[] {
  if (!confined) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    ...spec.linux.devices.map(({ type, major, minor }) => {
      return { allow: true, type, major, minor, access: "rwm" };
    }),
    { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
    { allow: true, type: "c", major: 136, access: "rwm" },
  ];
}

/**
 * The spec with paths of a bundle where descriptors were. A terminal is the runtime's to make: in the foreground it joins the one it makes to
 * that on its standard input (a console socket is for runtimes that detach). Not `grouped`: no control group may be made, and a runtime that
 * is told of none does without, limits and device rules included.
 */
export function bundleSpec(
  spec: RuntimeSpec,
  folder: string,
  options: { readonly confined: boolean; readonly grouped: boolean },
): { readonly spec: unknown; readonly attachments: readonly Attachment[] } {
  const attachments: Attachment[] = [{ ...parseFdSource(spec.root.path), target: join(folder, "rootfs") }];
  const mounts = spec.mounts.map((mount) => {
    /* The host's /sys (see oci-spec.ts) is taken by its name. */
    if (mount.type !== "bind" || !isFdSource(mount.source)) return mount;
    const target = join(folder, `mount-${attachments.length}`);
    attachments.push({ ...parseFdSource(mount.source), target });
    return { ...mount, source: target };
  });
  const root = { ...spec.root, path: join(folder, "rootfs") };
  const namespaces = spec.linux.namespaces.map((namespace) => {
    if (namespace.path === undefined) return namespace;
    const target = join(folder, namespace.type);
    attachments.push({ ...parseFdSource(namespace.path), target });
    return { ...namespace, path: target };
  });
  const resources = { ...spec.linux.resources, devices: deviceRules(spec, options.confined) };
  const { cgroupsPath, resources: _limits, ...rest } = spec.linux;
  const linux = { ...rest, namespaces, ...(options.grouped ? { cgroupsPath, resources } : {}) };
  return {
    spec: { ...spec, root, mounts, linux },
    attachments,
  };
}

function mayMakeGroups({ cgroups }: HostFacts): boolean {
  return ownGroups(cgroups).every((folder) => {
    try {
      accessSync(folder, constants.W_OK);
      return true;
    } catch {
      /* Not delegated to this user, or hidden. */
      return false;
    }
  });
}

function notDelegated({ cgroups }: HostFacts, resources: RuntimeResources): RefusedLimit[] {
  const [path = ""] = ownGroups(cgroups);
  const reason = "this user may not write to all control groups that it is in, as";
  return unplacedLimits({ version: 0 }, resources).map((limit) => ({ limit, reason, path }));
}

function writeBundle(folder: string, step: ExecSpec, host: HostFacts, io: ExecIo): Bundle {
  const runtime = toRuntimeSpec(step, host);
  const { resources } = runtime.linux;
  const grouped = host.userNamespace === "none" || mayMakeGroups(host);
  if (!grouped) tellRefused(io, { resources, unplaced: [], refused: notDelegated(host, resources) });
  const { spec, attachments } = bundleSpec(runtime, folder, {
    confined: step.security === "sandbox",
    grouped,
  });
  const files = step.mounts.filter((mount) => mount.type === "bind").map(({ kind }) => kind === "file");
  for (const [index, { target }] of attachments.entries()) {
    // The root is the first, then the step's own binds in their order, then namespaces, which are files.
    if (index > 0 && files[index - 1] !== false) writeFileSync(target, "");
    else mkdirSync(target);
  }
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  return { folder, attachments, memoryGroups: grouped ? memoryGroups(runtime, host) : [] };
}

function memoryGroups({ linux: { resources, cgroupsPath } }: RuntimeSpec, host: HostFacts): CgroupPlan[] {
  const { memory } = resources;
  if (memory === undefined) return [];
  return planCgroups(host.cgroups, cgroupsPath, { resources: { memory }, always: false });
}

/** Whether a container's groups can be looked at when it has ended: only then is it known what the kernel killed in them. */
async function canKeep(runtime: string): Promise<boolean> {
  const help = await run(runtime, ["run", "--help"]).catch(() => ({ stdout: "" }));
  return help.stdout.includes("--keep");
}

/** Starts the runtime below the helper that mounts; settles when no process of the step is left. */
function start(args: readonly string[], fds: readonly number[], step: ExecSpec, io: ExecIo): Promise<number> {
  const [program = "", ...rest] = args;
  const output = step.stdio === "terminal" ? "inherit" : "pipe";
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: [step.stdio === "log" ? "ignore" : "inherit", output, output, ...fds],
      /* Ctrl-C reaches a process group: it is for this process to pass on. A terminal's size is told to its session only. */
      detached: step.stdio !== "terminal",
      env: { PATH: process.env["PATH"] },
      cwd: "/",
    });
    let fault: { readonly error: unknown } | undefined;
    const kill = (): void => void child.kill("SIGKILL");
    const passOn = (take: (chunk: Uint8Array) => void) => (chunk: Buffer) => {
      try {
        take(chunk);
      } catch (error) {
        fault ??= { error };
        kill();
      }
    };
    io.onStart?.((signal) => void child.kill(signal));
    child.stdout?.on("data", passOn(io.stdout));
    child.stderr?.on("data", passOn(io.stderr));
    io.signal.addEventListener("abort", kill);
    if (io.signal.aborted) kill();
    child.on("error", (cause) => {
      reject(new TsbuildError("TSB_SANDBOX", `cannot start ${program}: ${cause.message}`, { cause }));
    });
    child.on("close", (code, signal) => {
      io.signal.removeEventListener("abort", kill);
      if (fault !== undefined) reject(fault.error);
      else resolve(code ?? (signal === "SIGKILL" ? 137 : 128));
    });
  });
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Removes containers of builders that are gone: their processes died with them, their state and control groups did not. */
async function removeLeftovers(runtime: string, stateFolder: string): Promise<void> {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  for (const id of readdirSync(stateFolder)) {
    const owner = /^tsbuild-(\d+)-[0-9a-f]+$/.exec(id)?.[1];
    if (owner !== undefined && !isAlive(Number(owner))) await deleteContainer(runtime, stateFolder, id);
  }
}

/** Force: a killed runtime removes nothing itself. One that cannot be removed is tried again by the next build. */
async function deleteContainer(runtime: string, stateFolder: string, id: string): Promise<void> {
  if (!existsSync(join(stateFolder, id))) return;
  await run(runtime, ["--root", stateFolder, "delete", "--force", id]).catch(() => undefined);
}

/** A runtime makes the mounts of a step in the user namespace that it is given, where this machine's may not be mounted. */
function notEmulated(): TsbuildError {
  return new TsbuildError(
    "TSB_SANDBOX",
    "an OCI runtime runs programs of another machine only where the kernel does",
    {
      hint: "apt-get install qemu-user-static binfmt-support, or leave --oci-runtime out",
    },
  );
}

/**
 * A sandbox that runs each step in an OCI runtime. Two things differ from the native one: the command is PID 1 itself, so nothing reaps
 * for it and signals without a handler do not reach it from inside; and peak memory and OOM kills are told of steps with a limit of memory only, if
 * the runtime keeps the group of a container that has ended.
 */
export function createOciSandbox(options: OciSandboxOptions): Sandbox {
  const runtime = findRuntime(options.runtime, options.path);
  let host: HostFacts | undefined;
  let ready: Promise<void> | undefined;
  let keeps: Promise<boolean> | undefined;
  const runStep = async (step: ExecSpec, io: ExecIo): Promise<ExecOutcome> => {
    if (io.signal.aborted) throw new TsbuildError("TSB_CANCELED", "the step was canceled");
    if (step.userNamespace !== undefined) throw notEmulated();
    ready ??= removeLeftovers(runtime, options.stateFolder);
    await ready;
    host ??= readHostFacts();
    const folder = mkdtempSync(join(options.temporaryFolder(), "bundle-"));
    const id = `tsbuild-${process.pid}-${randomBytes(6).toString("hex")}`;
    try {
      const bundle = writeBundle(folder, { ...step, id }, host, io);
      return await runBundle({ bundle, id, step, io });
    } finally {
      await deleteContainer(runtime, options.stateFolder, id);
      rmSync(folder, { recursive: true, force: true });
    }
  };
  const runBundle = async (one: {
    readonly bundle: Bundle;
    readonly id: string;
    readonly step: ExecSpec;
    readonly io: ExecIo;
  }): Promise<ExecOutcome> => {
    const { bundle, id, step, io } = one;
    const log = join(bundle.folder, "log");
    const triples = bundle.attachments.flatMap(({ path, target }, index) => [`${3 + index}`, path, target]);
    const command = [runtime, "--root", options.stateFolder, "--log", log, "--log-format", "json"];
    const args = [options.binary, "attach", ...triples, "--", ...command];
    const fds = bundle.attachments.map(({ fd }) => fd);
    if (bundle.memoryGroups.length > 0) keeps ??= canKeep(runtime);
    const keep = (await keeps) === true && bundle.memoryGroups.length > 0 ? ["--keep"] : [];
    const words = new OnlyWords(io);
    const code = await start([...args, "run", ...keep, "--bundle", bundle.folder, id], fds, step, words.io);
    if (io.signal.aborted) throw new TsbuildError("TSB_CANCELED", "the step was canceled");
    const errors = code === 0 ? [] : runtimeErrors(log);
    const exitCode = errors.length === 0 ? words.statusOfInit(code) : statusOfFailure(errors.join("\n"));
    if (exitCode === undefined || (exitCode === 125 && errors.length > 0))
      throw failureOfRuntime(runtime, errors, code);
    return { exitCode, ...readUsage(keep.length > 0 ? bundle.memoryGroups : []) };
  };
  return { connectsOnDemand: false, run: runStep };
}
