/**
 * One process of the native program that starts the supervisors of all steps (native/sandbox/src/serve.h). Node's own fork copies the page
 * tables of a hundred megabytes and waits for an exec: 3 ms of a step in which nothing else goes on. That program's takes a tenth of one.
 */
import { Socket } from "node:net";
import { constants } from "node:os";
import { errnoCode, type TsbuildError } from "@tsbuild/base";
import { encodePlan, type SandboxPlan } from "./plan-encode.ts";
import { type NewSupervisor, Prepared } from "./prepared.ts";
import type { FirstHalf } from "./split-plan.ts";
import { cannotStart, endedEarly, type StartSupervisor, spawnSupervisor } from "./supervisor.ts";

/** Sockets with descriptors on them, which Node has not, and a program started without a copy of Node; see NativeFs. */
export interface DescriptorSockets {
  startProgram(path: string, task: string, input: number): { readonly pid: number; readonly errors: number };
  programEnd(pid: number): { readonly status: number; readonly signal: number } | undefined;
  socketPair(kind: "stream" | "packets"): readonly [number, number];
  sendDescriptors(socket: number, bytes: Uint8Array, fds: readonly number[]): void;
  close(fd: number): void;
}

const MAGIC = "TSBSTEP1";
/** SCM_MAX_FD of the kernel, less the control socket. */
const PLAN_FDS_MAX = 252;
const CLONE_NEWPID = 0x20000000;
/** For the news that a process has ended to follow that of its socket's end. */
const LAST_WORDS_MS = 2000;

/** It was killed; it does not come to its work; the kernel keeps no more descriptors under way for this user. */
const OUT_OF_REACH = new Set(["EPIPE", "ECONNRESET", "EAGAIN", "ETOOMANYREFS"]);

/** The packet that announces a step with so many descriptors. */
export function stepPacket(descriptors: number): Uint8Array {
  const bytes = Buffer.alloc(MAGIC.length + 4);
  bytes.write(MAGIC);
  bytes.writeUInt32LE(descriptors, MAGIC.length);
  return bytes;
}

/**
 * Where all steps go that can: not those that share this process's streams, nor those without a pid namespace, which their supervisor
 * has to be near enough to clean up after, nor those with more descriptors than one message takes.
 */
function canServe({ stdio, fds, ops }: SandboxPlan): boolean {
  const clone = ops.find(({ op }) => op === "clone");
  const isolated = clone?.op === "clone" && (Number(clone.flags) & CLONE_NEWPID) !== 0;
  return stdio === "log" && isolated && fds.length <= PLAN_FDS_MAX;
}

/** The process, for as long as it lives. */
class Helper {
  readonly #sockets: DescriptorSockets;
  readonly #channel: number;
  readonly #pid: number;
  /** What it says before it ends; its end is the process's. */
  readonly #errors: Socket;
  readonly #ended: Promise<TsbuildError>;
  #said = "";
  #isOpen = true;

  constructor(binary: string, sockets: DescriptorSockets) {
    this.#sockets = sockets;
    const [channel, theirs] = sockets.socketPair("packets");
    this.#channel = channel;
    try {
      const { pid, errors } = sockets.startProgram(binary, "serve", theirs);
      this.#pid = pid;
      this.#errors = new Socket({ fd: errors, readable: true, writable: false });
    } catch (error) {
      sockets.close(channel);
      throw error instanceof Error ? cannotStart(binary, error) : error;
    } finally {
      sockets.close(theirs);
    }
    this.#ended = this.#watch();
  }

  /** It ends with this process, which need not wait for it. */
  async #watch(): Promise<TsbuildError> {
    this.#errors.on("data", (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString("utf8")).slice(-1000);
    });
    this.#errors.on("error", () => this.#errors.destroy());
    this.#keepAlive(false);
    await new Promise<void>((resolve) => void this.#errors.on("close", resolve));
    const how = await this.#end();
    return endedEarly(this.#said.trim() || how);
  }

  /** Its streams are closed some moments before the kernel tells how it ended. */
  async #end(): Promise<string> {
    for (;;) {
      const end = this.#sockets.programEnd(this.#pid);
      if (end !== undefined) return end.signal === 0 ? `exit status ${end.status}` : signalName(end.signal);
      await new Promise<void>((resolve) => void setTimeout(resolve, 1).unref());
    }
  }

  /** A new supervisor with these descriptors, whose plan is the caller's to send; throws when the process does not take them. */
  start(fds: readonly number[]): NewSupervisor {
    const [ours, theirs] = this.#sockets.socketPair("stream");
    try {
      this.#sockets.sendDescriptors(this.#channel, stepPacket(fds.length + 1), [theirs, ...fds]);
    } catch (error) {
      this.#sockets.close(ours);
      throw error;
    } finally {
      this.#sockets.close(theirs);
    }
    const control = new Socket({ fd: ours, readable: true, writable: true });
    const onEnd = (listener: (reason: TsbuildError) => void): void => {
      control.on("close", () => void this.#reason().then(listener));
    };
    return { control, socket: ours, pid: undefined, onEnd };
  }

  /** Of a supervisor, this process hears no more than that its socket is closed. */
  async #reason(): Promise<TsbuildError> {
    let timer: NodeJS.Timeout | undefined;
    const supervisor = new Promise<TsbuildError>((resolve) => {
      timer = setTimeout(() => resolve(endedEarly("its socket was closed")), LAST_WORDS_MS);
    });
    this.#keepAlive(true);
    const reason = await Promise.race([this.#ended, supervisor]);
    clearTimeout(timer);
    this.#keepAlive(false);
    return reason;
  }

  /** A socket that is closed would wait for a connection, with a listener for each call. */
  #keepAlive(isNeeded: boolean): void {
    if (this.#errors.destroyed) return;
    if (isNeeded) this.#errors.ref();
    else this.#errors.unref();
  }

  /** Lets it end; steps that are under way go on. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#sockets.close(this.#channel);
  }
}

function signalName(number: number): string {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return known?.[0] ?? `signal ${number}`;
}

export class StepStarter {
  readonly #binary: string;
  readonly #sockets: DescriptorSockets;
  readonly #spawn: StartSupervisor;
  readonly #prepared: Prepared;
  #helper: Helper | undefined;

  constructor(binary: string, sockets: DescriptorSockets) {
    this.#binary = binary;
    this.#sockets = sockets;
    this.#spawn = spawnSupervisor(binary);
    this.#prepared = new Prepared({
      start: () => this.#started().start([]),
      sendDescriptors: (socket, bytes, fds) => sockets.sendDescriptors(socket, bytes, fds),
    });
  }

  /** A step whose plan begins so will be started soon. */
  expect(ahead: FirstHalf): void {
    this.#prepared.expect(ahead);
    this.#reached(() => this.#prepared.fill());
  }

  readonly start: StartSupervisor = (plan) => {
    if (!canServe(plan)) return this.#spawn(plan);
    const prepared = this.#prepared.take(plan);
    this.#reached(() => this.#prepared.fill());
    if (prepared !== undefined) return prepared;
    const bytes = encodePlan(plan);
    const supervisor = this.#reached(() => this.#started().start(plan.fds));
    // The step can do without it, and the next gets another.
    if (supervisor === undefined) return this.#spawn(plan);
    supervisor.control.write(bytes);
    return { ...supervisor, performs: plan };
  };

  /** Undefined when the helper is out of reach: it is let go then. */
  #reached<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!OUT_OF_REACH.has(errnoCode(error) ?? "")) throw error;
      this.#closeHelper();
      return undefined;
    }
  }

  #started(): Helper {
    this.#helper ??= new Helper(this.#binary, this.#sockets);
    return this.#helper;
  }

  #closeHelper(): void {
    this.#helper?.close();
    this.#helper = undefined;
  }

  close(): void {
    this.#prepared.close();
    this.#closeHelper();
  }
}
