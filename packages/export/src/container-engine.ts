import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { LENT_TO_READABLE, lent } from "@tsbuild/oci";

type Env = Readonly<Record<string, string | undefined>>;

/** A docker or podman that answers on this machine. */
export interface ContainerEngine {
  /** For people: `docker 20.10.24 (/var/run/docker.sock)`. */
  readonly name: string;
  /** Sends an archive in docker's form while it is being made. Resolves with what the engine said, a line each. */
  load(archive: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<readonly string[]>;
}

/** Where an engine may listen. */
interface Address {
  readonly shown: string;
  readonly at: { readonly socketPath: string } | { readonly host: string; readonly port: number };
}

/** Answers of an engine are short; one that is not is not read to its end. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const PING_MS = 10_000;

function usage(why: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", why, {
    hint: "--load goes to an engine of this machine: DOCKER_HOST=unix:///PATH or tcp://127.0.0.1:PORT; -o type=docker,dest=- writes an archive to send anywhere",
  });
}

function addressOf(variable: string, value: string): Address {
  const [, path] = /^unix:\/\/(\/.*)$/.exec(value) ?? [];
  if (path !== undefined) return { shown: path, at: { socketPath: path } };
  const [, host, port] = /^(?:tcp|http):\/\/(\[[0-9a-f:]+\]|[^:/]+):(\d+)\/?$/i.exec(value) ?? [];
  if (host === undefined) throw usage(`${variable}=${value} is not an address that --load knows`);
  return { shown: value, at: { host: host.replace(/^\[|\]$/g, ""), port: Number(port) } };
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function field(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, name) => (typeof at === "object" && at !== null ? (at as Record<string, unknown>)[name] : undefined),
    value,
  );
}

/** The address of docker's context that is chosen (docker's own files); undefined: the default one. */
function contextAddress(env: Env, wanted: string | undefined): Address | undefined {
  const folder = env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
  const chosen =
    wanted ?? env["DOCKER_CONTEXT"] ?? field(readJson(join(folder, "config.json")), "currentContext");
  if (typeof chosen !== "string" || chosen === "" || chosen === "default") return undefined;
  const id = createHash("sha256").update(chosen).digest("hex");
  const host = field(readJson(join(folder, "contexts/meta", id, "meta.json")), "Endpoints", "docker", "Host");
  if (typeof host !== "string") throw usage(`docker has no context ${JSON.stringify(chosen)} in ${folder}`);
  return addressOf(`the context ${chosen}: host`, host);
}

/** Who is named is asked alone; else docker's and podman's usual sockets are tried. */
function addresses(env: Env, context: string | undefined): readonly Address[] {
  const { DOCKER_HOST: docker, CONTAINER_HOST: podman, XDG_RUNTIME_DIR: runtime } = env;
  if (docker && context === undefined) return [addressOf("DOCKER_HOST", docker)];
  const chosen = contextAddress(env, context);
  if (chosen !== undefined) return [chosen];
  if (podman) return [addressOf("CONTAINER_HOST", podman)];
  const usual = [
    "/var/run/docker.sock",
    ...(runtime ? [`${runtime}/docker.sock`, `${runtime}/podman/podman.sock`] : []),
    "/run/podman/podman.sock",
  ];
  return usual.map((path) => ({ shown: path, at: { socketPath: path } }));
}

/**
 * Finds a docker or podman that answers: at DOCKER_HOST, the chosen docker context, CONTAINER_HOST, or the usual sockets. Throws TSB_EXPORT
 * naming what was tried, TSB_USAGE for an address that cannot be used.
 */
export async function findContainerEngine(
  env: Env,
  options: { readonly context?: string | undefined; readonly signal: AbortSignal },
): Promise<ContainerEngine> {
  const failures: string[] = [];
  for (const address of addresses(env, options.context)) {
    const found = await ask(address, options.signal);
    if ("version" in found) {
      const name = `${found.version} (${address.shown})`;
      return { name, load: (archive, signal) => load(address, name, { archive, signal }) };
    }
    failures.push(`${address.shown}: ${found.failure}`);
  }
  throw new TsbuildError(
    "TSB_EXPORT",
    `no docker or podman answers to load the image into: ${failures.join("; ")}`,
    {
      hint: "start one (systemctl start docker; podman system service --time=0), name it (DOCKER_HOST=unix:///PATH), or leave --load out: with -t the image is in tsbuild's own store",
    },
  );
}

async function ask(
  address: Address,
  signal: AbortSignal,
): Promise<{ readonly version: string } | { readonly failure: string }> {
  try {
    const both = AbortSignal.any([signal, AbortSignal.timeout(PING_MS)]);
    const { status, body } = await answerOf(send(address, "GET", "/version", both));
    if (status !== 200) return { failure: `it answers ${status}` };
    const version: unknown = JSON.parse(body);
    const components = field(version, "Components");
    const isPodman = Array.isArray(components) && field(components[0], "Name") === "Podman Engine";
    return { version: `${isPodman ? "podman" : "docker"} ${String(field(version, "Version"))}` };
  } catch (error) {
    if (signal.aborted) throw error;
    return { failure: reasonOf(error) };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it is not there",
  ECONNREFUSED: "nobody listens",
  EACCES: "no right to use it",
};

function reasonOf(error: unknown): string {
  const known = REASONS[errnoCode(error) ?? ""];
  if (known !== undefined) return known;
  if (error instanceof SyntaxError) return "what answers is no container engine";
  return error instanceof Error && error.name === "TimeoutError" ? "it does not answer" : String(error);
}

function send(address: Address, method: string, path: string, signal: AbortSignal): ClientRequest {
  const headers = method === "POST" ? { "content-type": "application/x-tar" } : {};
  return request({ ...address.at, method, path, headers, signal });
}

/** Settles with the answer, also when it comes before all was sent. */
async function answerOf(
  outgoing: ClientRequest,
  archive?: AsyncIterable<Uint8Array>,
): Promise<{ readonly status: number; readonly body: string }> {
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once("response", resolve);
    outgoing.once("error", reject);
  });
  const read = answer.then(readBody);
  if (archive === undefined) {
    outgoing.end();
    return read;
  }
  // Sockets keep chunks until they are sent; these are memory that is used again.
  const sent = pipeline(Readable.from(lent(archive), LENT_TO_READABLE), outgoing);
  const failed = sent.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  // An engine that refuses closes the connection: its answer says more than the broken pipe.
  const answered = await read.catch((error: unknown) => ({ error }));
  const failure = await failed;
  if (!("error" in answered)) return answered;
  throw failure?.error ?? answered.error;
}

async function readBody(
  response: IncomingMessage,
): Promise<{ readonly status: number; readonly body: string }> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES) break;
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") };
}

async function load(
  address: Address,
  name: string,
  { archive, signal }: { readonly archive: AsyncIterable<Uint8Array>; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const outgoing = send(address, "POST", "/images/load?quiet=1", signal);
  const answer = await answerOf(outgoing, archive).catch((cause: unknown) => {
    if (signal.aborted || cause instanceof TsbuildError) throw cause;
    throw new TsbuildError("TSB_EXPORT", `${name} broke off while it loaded the image: ${reasonOf(cause)}`, {
      cause,
    });
  });
  const messages = answer.body.split("\n").flatMap(messageOf);
  const failed = messages.find(({ isError }) => isError);
  if (answer.status === 200 && failed === undefined) return messages.map(({ text }) => text);
  const why = failed?.text ?? messages[0]?.text ?? `it answers ${answer.status}`;
  throw new TsbuildError("TSB_EXPORT", `${name} does not load the image: ${why}`, { hint: refusalHint(why) });
}

/** Docker before 23.0 takes every layer that is not gzip, bzip2 or xz for a plain tar. */
function refusalHint(why: string): string | undefined {
  if (!/invalid tar header/i.test(why)) return undefined;
  return "docker before 23.0 reads no zstd: leave compression=zstd out, or use compression=gzip";
}

/** A line of the answer: `{"stream": …}`, `{"error": …}`, or `{"message": …}` of a refusal. */
function messageOf(line: string): { readonly text: string; readonly isError: boolean }[] {
  if (line.trim() === "") return [];
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [{ text: line.trim(), isError: false }];
  }
  const failure = field(value, "error") ?? field(value, "message");
  if (typeof failure === "string") return [{ text: failure.trim(), isError: true }];
  const text = field(value, "stream");
  return typeof text === "string" && text.trim() !== "" ? [{ text: text.trim(), isError: false }] : [];
}
