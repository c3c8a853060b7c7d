/** Steps in an OCI runtime (runc and its kin) instead of the native sandbox: the same spec, as a bundle. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import { checkProfile } from "./apparmor.ts";
import { readUsage } from "./cgroup.ts";
import { removeGroup, removeOrphanedGroups } from "./cgroup-orphans.ts";
import { type HostFacts, readHostFacts } from "./host.ts";
import { type Bundle, writeBundle } from "./oci-bundle.ts";
import { failureOfRuntime, OnlyWords, runtimeErrors, statusOfFailure } from "./oci-failure.ts";
import { FIRST_PLAN_FD, startOci } from "./oci-process.ts";
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

/** Made when it is used: to look at execFile loads node:child_process, which steps in the native sandbox do without. */
const run = (program: string, args: readonly string[]) => promisify(execFile)(program, args);

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

/** Whether a container's groups can be looked at when it has ended: only then is it known what the kernel killed in them. */
async function canKeep(runtime: string): Promise<boolean> {
  const help = await run(runtime, ["run", "--help"]).catch(() => ({ stdout: "" }));
  return help.stdout.includes("--keep");
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Removes containers of builders that are gone: their processes died with them, their state and control groups did not. */
async function removeLeftovers(runtime: string, stateFolder: string): Promise<void> {
  removeOrphanedGroups();
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

/** What the native sandbox does without, a runtime does not (see `procMount`): a container has its own /proc for it. */
function hiddenProc(): TsbuildError {
  const message =
    "an OCI runtime needs a new /proc, which the kernel mounts nowhere while parts of this container's are hidden";
  return new TsbuildError("TSB_SANDBOX", message, {
    hint: "start this container with Docker's --security-opt systempaths=unconfined or Podman's --security-opt unmask=ALL, or leave --oci-runtime out",
  });
}

/**
 * A sandbox that runs each step in an OCI runtime. Two things differ from the native one: the command is PID 1 itself, so nothing reaps
 * for it and signals without a handler do not reach it from inside; and peak memory and OOM kills are told of steps with a limit of memory only, on
 * version 1 if the runtime keeps the group of a container that has ended.
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
    if (host.hidden?.includes("proc") === true) throw hiddenProc();
    checkProfile(step, host);
    const folder = mkdtempSync(join(options.temporaryFolder(), "bundle-"));
    const id = `tsbuild-${process.pid}-${randomBytes(6).toString("hex")}`;
    let outerGroup: string | undefined;
    try {
      const bundle = writeBundle(folder, { ...step, id }, host, io);
      outerGroup = bundle.outerGroup;
      return await runBundle({ bundle, id, step, io });
    } finally {
      await deleteContainer(runtime, options.stateFolder, id);
      if (outerGroup !== undefined) removeGroup(outerGroup);
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
    const triples = bundle.attachments.flatMap(({ fd, path, target }) => [
      `${FIRST_PLAN_FD + fd}`,
      path,
      target,
    ]);
    const command = [runtime, "--root", options.stateFolder, "--log", log, "--log-format", "json"];
    const args = ["attach", join(bundle.folder, "aside"), ...triples, "--", ...command];
    if (bundle.memoryGroups.length > 0) keeps ??= canKeep(runtime);
    const keep = (await keeps) === true && bundle.memoryGroups.length > 0 ? ["--keep"] : [];
    const words = new OnlyWords(io);
    const code = await startOci(
      {
        program: options.binary,
        args: [...args, "run", ...keep, "--bundle", bundle.folder, id],
        mounts: bundle.mounts,
        stdio: step.stdio,
      },
      words.io,
    );
    if (io.signal.aborted) throw new TsbuildError("TSB_CANCELED", "the step was canceled");
    const errors = code === 0 ? [] : runtimeErrors(log);
    const exitCode = errors.length === 0 ? words.statusOfInit(code) : statusOfFailure(errors.join("\n"));
    if (exitCode === undefined || (exitCode === 125 && errors.length > 0))
      throw failureOfRuntime(runtime, errors, code);
    const counted = keep.length > 0 || bundle.outerGroup !== undefined;
    return { exitCode, ...readUsage(counted ? bundle.memoryGroups : []) };
  };
  return { connectsOnDemand: false, run: runStep };
}
