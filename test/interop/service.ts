import { type ChildProcess, spawn } from "node:child_process";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A program that runs until it is stopped, with all it has printed. */
export interface Service {
  /** Standard output and standard error so far, in the order they came. */
  readonly log: () => string;
  readonly running: () => boolean;
  /** Resolves with the exit code once it has ended; -1: by a signal. */
  readonly ended: Promise<number>;
  /** SIGTERM, after ten seconds SIGKILL; resolves when it has ended. */
  stop(): Promise<number>;
}

const STOP_MS = 30_000;

/** Starts a program and resolves when it has printed `ready`; rejects with its log when it ends or stays silent. */
export async function startService(
  program: string,
  args: readonly string[],
  options: { readonly ready?: RegExp; readonly timeoutMs?: number } = {},
): Promise<Service> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => void chunks.push(chunk));
  const log = (): string => Buffer.concat(chunks).toString("utf8");
  const ended = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? -1));
  });
  const running = (): boolean => child.exitCode === null && child.signalCode === null;
  const service = { log, running, ended, stop: () => stop(child, ended) };
  const { ready, timeoutMs = 90_000 } = options;
  if (ready === undefined) return service;
  const deadline = Date.now() + timeoutMs;
  while (!ready.test(log())) {
    if (!running() || Date.now() > deadline) {
      await service.stop();
      throw new Error(`${program} did not get ready:\n${log()}`);
    }
    await sleep(30);
  }
  return service;
}

async function stop(child: ChildProcess, ended: Promise<number>): Promise<number> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  const code = await ended;
  clearTimeout(timer);
  return code;
}

/** A TCP port of the loopback interface that nobody listens on right now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Body of the first answer of a server that is still starting; rejects with its log when it has ended or stays silent. */
export async function bodyOnceUp(url: string, service: Service, timeoutMs = 60_000): Promise<string> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await (await fetch(url)).text();
    } catch (cause) {
      if (!service.running() || Date.now() > deadline)
        throw new Error(`${url} does not answer:\n${service.log()}`, { cause });
      await sleep(50);
    }
  }
}
