import { existsSync, statSync } from "node:fs";
import { errnoCode, hideCredentials, limits, TsbuildError } from "@tsbuild/base";
import type { BuildRequest, ContextSource, OutputRequest } from "@tsbuild/engine";
import { parseAnnotation, parseAttestations } from "../flags/attest.ts";
import { parseCache } from "../flags/cache.ts";
import { parseFailureOutput } from "../flags/failure-output.ts";
import {
  parseBytes,
  parseResource,
  parseResourceFlag,
  parseUlimit,
  RESOURCE_FLAGS,
} from "../flags/limits.ts";
import { checkStdout, parseOutput } from "../flags/output.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { parseAgents, parseAllow, parseSecret } from "../flags/step-grants.ts";
import { parseUnset } from "../flags/unset.ts";
import {
  commaList,
  keyAndValue,
  oneOf,
  parseAddHost,
  parsePlatform,
  positiveInteger,
} from "../flags/values.ts";
import { durationMs } from "../history/duration.ts";
import { type CommandIo, inputBytes } from "../io.ts";

/** The request that a command line asks for. Throws TSB_USAGE, or TSB_CONTEXT when the context is no folder. */
export async function buildRequest(flags: ParsedFlags, io: CommandIo): Promise<BuildRequest> {
  const operand = contextOperand(flags);
  const file = flags.last("file");
  refuseSharedInput(operand, file, io);
  const outputs = requestedOutputs(flags);
  checkStdout(outputs, io, flags.isOn("quiet"));
  const jobs = flags.last("jobs");
  const ttl = flags.last("cache-ttl");
  return {
    context: await contextSource(operand, io),
    ...(file === "-" ? { dockerfileText: await dockerfileFromInput(io) } : { dockerfile: file }),
    tags: flags.all("tag"),
    ...targets(flags),
    buildArgs: Object.fromEntries(flags.all("build-arg").map((text) => keyAndValue("--build-arg", text))),
    buildContexts: Object.fromEntries(flags.all("build-context").map(namedContext)),
    labels: Object.fromEntries(flags.all("label").map(label)),
    annotations: Object.fromEntries(flags.all("annotation").flatMap(parseAnnotation)),
    unset: flags.all("unset").flatMap(parseUnset),
    squash: squashFrom(flags.last("squash")),
    attestations: parseAttestations({
      attest: flags.all("attest"),
      provenance: flags.last("provenance"),
      sbom: flags.last("sbom"),
    }),
    platforms: platformTexts(flags, io).map(parsePlatform),
    noCache: flags.isOn("no-cache"),
    noCacheFilter: commaList(flags.all("no-cache-filter")),
    noCacheSteps: flags.all("no-cache-step"),
    cacheTtlMs: ttl === undefined ? undefined : durationMs("--cache-ttl", ttl),
    pull: flags.isOn("pull"),
    reproducible: flags.isOn("reproducible"),
    noIgnore: flags.isOn("no-dockerignore"),
    contextMode: contextMode(flags.last("context-mode")),
    offline: flags.isOn("offline"),
    sourcePolicy: flags.last("source-policy"),
    lock: lockMode(flags),
    outputs,
    cacheFrom: flags.all("cache-from").map((text) => parseCache("--cache-from", text)),
    cacheTo: flags.all("cache-to").map((text) => parseCache("--cache-to", text)),
    network: oneOf<NonNullable<BuildRequest["network"]>>("--network", flags.last("network") ?? "default", [
      "default",
      "none",
      "host",
    ]),
    networkProvider: networkProvider(flags.last("network-provider")),
    addHosts: flags.all("add-host").map(parseAddHost),
    ...stepGrants(flags, io),
    jobsMemory: flags.last("jobs-memory"),
    jobs: jobs === undefined ? undefined : positiveInteger("--jobs", jobs),
    failureOutputs: flags.all("output-on-fail").map(parseFailureOutput),
    iidFile: flags.last("iidfile"),
    metadataFile: flags.last("metadata-file"),
  };
}

/** The first target is the one that names, and outputs that say nothing else, are about (W021). */
function targets(flags: ParsedFlags): Partial<BuildRequest> {
  const [target, ...alsoTargets] = flags.all("target");
  return { target, alsoTargets, withStages: flags.all("with-stage"), allStages: flags.isOn("all-stages") };
}

function contextMode(text: string | undefined): BuildRequest["contextMode"] {
  const mode = text === undefined ? "exact" : oneOf("--context-mode", text, ["exact", "normalize"]);
  return mode === "normalize" ? mode : undefined;
}

/** Docker's `--squash` is a switch. */
function squashFrom(text: string | undefined): string | undefined {
  if (text === "false") return undefined;
  return text === "true" ? "" : text;
}

function stepGrants(flags: ParsedFlags, io: CommandIo): Partial<BuildRequest> {
  const shm = flags.last("shm-size");
  const own = RESOURCE_FLAGS.flatMap((name) => {
    const text = flags.last(name);
    return text === undefined ? [] : [parseResourceFlag(name, text)];
  });
  return {
    secrets: Object.fromEntries(flags.all("secret").map((text) => parseSecret(text, io.env))),
    ssh: parseAgents(flags.all("ssh"), io.env),
    allow: commaList(flags.all("allow")).map(parseAllow),
    ulimits: flags.all("ulimit").map(parseUlimit),
    shmSizeBytes: shm === undefined ? undefined : parseBytes("--shm-size", shm),
    cgroupParent: flags.last("cgroup-parent"),
    resources: Object.assign({}, ...flags.all("resource").map(parseResource), ...own),
  };
}

function networkProvider(text: string | undefined): BuildRequest["networkProvider"] {
  if (text === undefined) return undefined;
  return oneOf<NonNullable<BuildRequest["networkProvider"]>>("--network-provider", text, [
    "auto",
    "pasta",
    "slirp4netns",
    "host",
  ]);
}

function namedContext(text: string): [string, string] {
  const [name, place] = keyAndValue("--build-context", text);
  if (place !== undefined && place !== "") return [name, place];
  throw new TsbuildError("TSB_USAGE", `--build-context ${JSON.stringify(text)} is not NAME=PLACE`, {
    hint: "for example --build-context base=docker-image://debian:bookworm, or src=../folder",
  });
}

function lockMode(flags: ParsedFlags): BuildRequest["lock"] {
  const locked = flags.isOn("locked");
  const update = flags.isOn("update-lock");
  if (locked && update)
    throw new TsbuildError("TSB_USAGE", "--locked and --update-lock contradict each other", {
      hint: "--update-lock writes tsbuild.lock, --locked holds the build to it",
    });
  return locked ? "locked" : update ? "update" : undefined;
}

function label(text: string): [string, string] {
  const [key, value] = keyAndValue("--label", text);
  return [key, value ?? ""];
}

function requestedOutputs(flags: ParsedFlags): OutputRequest[] {
  const outputs = flags.all("output").map(parseOutput);
  if (flags.isOn("push")) outputs.push({ type: "registry", attrs: {} });
  if (flags.isOn("load")) outputs.push({ type: "docker", attrs: {} });
  return outputs;
}

/** C006, C054: the flag, else the environment, else none (the engine takes this machine's). */
function platformTexts(flags: ParsedFlags, io: CommandIo): string[] {
  const given = commaList(flags.all("platform"));
  return given.length > 0 ? given : commaList([io.env["DOCKER_DEFAULT_PLATFORM"] ?? ""]);
}

function contextOperand(flags: ParsedFlags): string {
  const [operand, ...more] = flags.operands;
  if (operand !== undefined && more.length === 0) return operand;
  const found = operand === undefined ? "none was given" : `${flags.operands.length} were given`;
  throw new TsbuildError("TSB_USAGE", `build needs one context, a folder or -: ${found}`, {
    hint: operand === undefined ? "tsbuild build ." : `surplus: ${more.join(" ")}`,
  });
}

/** C001: one standard input cannot be both. And a terminal is neither. */
function refuseSharedInput(operand: string, file: string | undefined, io: CommandIo): void {
  if (operand === "-" && file === "-") {
    throw new TsbuildError("TSB_USAGE", "context and Dockerfile cannot both come from standard input", {
      hint: "put the Dockerfile into the archive, or pipe the Dockerfile alone",
    });
  }
  if ((operand === "-" || file === "-") && io.stdin.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "standard input is a terminal: nothing is piped in", {
      hint: "tsbuild build - < Dockerfile",
    });
  }
}

/** A git or http URL, and not a folder that happens to be called `github.com` (X004). */
function isUrl(operand: string): boolean {
  if (/^(?:https?|git|ssh):\/\//i.test(operand) || /^[\w-]+@[\w.-]+:/.test(operand)) return true;
  return /^github\.com\//.test(operand) && !existsSync(operand);
}

async function contextSource(operand: string, io: CommandIo): Promise<ContextSource> {
  if (operand === "-") return { type: "stream", stream: inputBytes(io.stdin, io.signal) };
  if (isUrl(operand)) return { type: "remote", url: operand };
  if (isFolder(operand)) return { type: "folder", path: operand };
  throw new TsbuildError("TSB_CONTEXT", `the context ${operand} is not a folder`, {
    hint: `for a Dockerfile elsewhere: tsbuild build -f ${operand} .`,
  });
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    const code = errnoCode(cause);
    const why = code === "ENOENT" || code === "ENOTDIR" ? "does not exist" : `cannot be read: ${code}`;
    const hint = path.includes("://")
      ? "URLs are those of http, https, git and ssh"
      : "it is the folder that COPY reads from, often: tsbuild build .";
    throw new TsbuildError("TSB_CONTEXT", `the context ${hideCredentials(path)} ${why}`, { hint, cause });
  }
}

async function dockerfileFromInput(io: CommandIo): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of inputBytes(io.stdin, io.signal)) {
    size += chunk.length;
    if (size > limits.dockerfileBytes) {
      throw new TsbuildError(
        "TSB_DOCKERFILE",
        `the Dockerfile is larger than ${limits.dockerfileBytes} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
