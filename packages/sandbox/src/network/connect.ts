import { closeSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { TsbuildError } from "@tsbuild/base";
import { errnoName } from "../errno-name.ts";
import { perform } from "../perform.ts";
import type { SandboxPlan } from "../plan-encode.ts";
import { spawnSupervisor } from "../supervisor.ts";
import { type NetworkProvider, providerCommand } from "./provider.ts";

/** A network namespace with a program that connects it; both go with `close`, or with this process. */
export interface ConnectedNetwork {
  /** Descriptor of the namespace. */
  readonly fd: number;
  /** False as soon as the program has ended. */
  isAlive(): boolean;
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** The native program. */
  readonly binary: string;
  readonly provider: NetworkProvider;
  /** A folder of its own, for the provider's pid file; it is made, and removed when the network is up. */
  readonly folder: string;
  /** Path of the namespace to connect; by default one is made. */
  readonly namespace?: string | undefined;
}

const CLONE_NEWPID = 0x20000000;
const CLONE_NEWNS = 0x00020000;
const READY_TIMEOUT_MS = 5000;
const POLL_MS = 1;

/**
 * The supervisor holds the network namespace as its standard input, and so does the provider: alone in a pid namespace, so that nothing
 * of it can survive, and in the host's network, where its sockets have to be. Its mounts are its own: slirp4netns roots itself elsewhere and
 * takes the old root off, and where mounts are shared, as systemd has them, the host's /sys/fs/cgroup and all of that depth would go with it.
 */
function providerPlan(command: readonly string[], namespace: number | undefined): SandboxPlan {
  return {
    fds: namespace === undefined ? [] : [namespace],
    stdio: "log",
    ops: [
      namespace === undefined ? { op: "stdin_network" } : { op: "stdin_descriptor", source: 0 },
      { op: "clone", flags: CLONE_NEWPID | CLONE_NEWNS },
      { op: "private_mounts" },
      { op: "fork" },
      { op: "new_session" },
      { op: "exec", args: command, env: [] },
    ],
  };
}

function hasContent(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** Starts a provider and waits until the network is up. Rejects with TSB_SANDBOX and what the provider said. */
export async function connectNetwork(options: ConnectOptions): Promise<ConnectedNetwork> {
  const { namespace } = options;
  if (namespace === undefined) return connectTo(options, undefined);
  const fd = openSync(namespace, "r");
  return connectTo(options, fd).catch((error: unknown) => {
    closeSync(fd);
    throw error;
  });
}

async function connectTo(options: ConnectOptions, namespace: number | undefined): Promise<ConnectedNetwork> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const pidFile = join(options.folder, "pid");
  const running = startProvider(options, pidFile, namespace);
  try {
    await untilReady(running, pidFile);
    const fd = namespace ?? openSync(`/proc/${running.supervisor}/fd/0`, "r");
    return {
      fd,
      isAlive: () => !running.ended,
      close: async () => {
        await running.stop();
        closeSync(fd);
      },
    };
  } catch (error) {
    await running.stop();
    throw error;
  } finally {
    rmSync(options.folder, { recursive: true, force: true });
  }
}

interface RunningProvider {
  readonly name: string;
  supervisor: number;
  /** It has written to standard output: how slirp4netns says that it is ready. */
  spoke: boolean;
  ended: boolean;
  said: string;
  stop(): Promise<void>;
}

function startProvider(
  options: ConnectOptions,
  pidFile: string,
  namespace: number | undefined,
): RunningProvider {
  const controller = new AbortController();
  const running: RunningProvider = {
    name: options.provider.name,
    supervisor: 0,
    spoke: false,
    ended: false,
    said: "",
    stop: async () => {
      controller.abort();
      await done;
    },
  };
  const io = {
    stdout: () => {
      running.spoke = true;
    },
    stderr: (chunk: Uint8Array) => {
      running.said = (running.said + Buffer.from(chunk).toString("utf8")).slice(-1000);
    },
    signal: controller.signal,
  };
  const plan = providerPlan(providerCommand(options.provider, pidFile), namespace);
  const done = perform(spawnSupervisor(options.binary), plan, io, (pid) => {
    running.supervisor = pid;
  })
    .then(
      ({ last }) => {
        if (last.type === "failed") running.said += `${last.call} ${last.text}: ${errnoName(last.errno)}`;
      },
      (error: unknown) => {
        running.said += error instanceof Error ? error.message : String(error);
      },
    )
    .then(() => {
      running.ended = true;
    });
  return running;
}

async function untilReady(running: RunningProvider, pidFile: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (!running.spoke && !hasContent(pidFile)) {
    if (running.ended) throw notConnected(running, "ended at once");
    if (Date.now() > deadline)
      throw notConnected(running, `was not ready within ${READY_TIMEOUT_MS / 1000} s`);
    await sleep(POLL_MS);
  }
}

function notConnected(running: RunningProvider, what: string): TsbuildError {
  const lines = running.said.split("\n").map((line) => line.trim());
  /* pasta complains of every line that it cannot send to a system log as well. */
  const said = lines.filter((line) => line !== "" && !/^Failed to send .* to syslog$/.test(line)).join("; ");
  return new TsbuildError("TSB_SANDBOX", `${running.name} ${what}${said === "" ? "" : `: ${said}`}`);
}
