import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { Automatic } from "@tsbuild/store";
import type { BuildRequest } from "./api.ts";
import { gcSettings } from "./upkeep/gc-settings.ts";

export type NetworkProvider = BuildRequest["networkProvider"] & string;

type Env = Readonly<Record<string, string | undefined>>;

/** What the configuration file may say, per registry host. */
export interface RegistrySettings {
  readonly mirrors?: readonly string[] | undefined;
  readonly http?: boolean | undefined;
  /** Certificates are not checked, and plain HTTP is used where there is no TLS. */
  readonly insecure?: boolean | undefined;
  /** Files in PEM. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Uploads go in pieces of so many bytes. */
  readonly chunkBytes?: number | undefined;
  /** Transfers at a time. */
  readonly connections?: number | undefined;
}

/** `{"registries": {"docker.io": {"mirrors": ["http://127.0.0.1:5000"]}}}`. */
export interface Settings {
  readonly registries: Readonly<Record<string, RegistrySettings>>;
  /** HOST=URL pairs of TSBUILD_MIRROR, asked before those of the file. */
  readonly mirror: string | undefined;
  /** Who connects private networks: $TSBUILD_NETWORK, else `auto`. */
  readonly networkProvider: NetworkProvider;
  /** $PATH, to find programs in. */
  readonly path: string;
  /** Of TSBUILD_INSECURE_REGISTRY and `--insecure-registry`. */
  readonly insecureHosts: readonly string[];
  /** Of TSBUILD_PUSH_CHUNK, for every host that has no `chunkBytes` of its own. */
  readonly pushChunkBytes: number | undefined;
  /** Runtime that steps run in; undefined or "": the native sandbox. */
  readonly ociRuntime?: string | undefined;
  /** Profile that steps enter; see `EngineOptions.apparmorProfile`. */
  readonly apparmorProfile?: string | undefined;
  /** TSBUILD_HISTORY_BUILDS (200) and TSBUILD_HISTORY_LOGS (200m): what is kept of past builds. */
  readonly history: { readonly builds: number; readonly logBytes: number };
  /** What collection after builds goes by; undefined: there is none. */
  readonly gc: Automatic | undefined;
}

/** $TSBUILD_CONFIG, else $XDG_CONFIG_HOME/tsbuild/config.json, else ~/.config/tsbuild/config.json; then /etc/tsbuild/config.json. */
function candidates(env: Env): string[] {
  if (env["TSBUILD_CONFIG"]) return [env["TSBUILD_CONFIG"]];
  const base = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return [join(base, "tsbuild", "config.json"), "/etc/tsbuild/config.json"];
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || errnoCode(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function invalid(path: string, why: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${path}: ${why}`, {
    hint: 'for example {"registries": {"docker.io": {"mirrors": ["http://127.0.0.1:5000"]}}}',
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const FIELDS = {
  http: "boolean",
  insecure: "boolean",
  ca: "string",
  cert: "string",
  key: "string",
  chunkBytes: "number",
  connections: "number",
} as const;

const SHOWN = {
  boolean: "true or false",
  string: "the path of a file",
  number: "a positive whole number",
} as const;

function parseRegistry(path: string, host: string, value: unknown): RegistrySettings {
  if (!isObject(value)) throw invalid(path, `registries[${JSON.stringify(host)}] is not an object`);
  const { mirrors, ...plain } = value;
  const types: Readonly<Record<string, "boolean" | "string" | "number">> = FIELDS;
  const unknown = Object.keys(plain).find((name) => types[name] === undefined);
  if (unknown !== undefined)
    throw invalid(path, `unknown setting ${JSON.stringify(unknown)} of registry ${JSON.stringify(host)}`);
  if (mirrors !== undefined && !(Array.isArray(mirrors) && mirrors.every((url) => typeof url === "string"))) {
    throw invalid(path, `mirrors of ${JSON.stringify(host)} is not a list of URLs`);
  }
  for (const [name, setting] of Object.entries(plain)) {
    const type = types[name] ?? "string";
    if (
      typeof setting !== type ||
      (type === "number" && !(Number.isSafeInteger(setting) && Number(setting) > 0))
    )
      throw invalid(path, `${name} of ${JSON.stringify(host)} is not ${SHOWN[type]}`);
  }
  return { ...(mirrors === undefined ? {} : { mirrors }), ...plain };
}

function parseFile(path: string, text: string): Pick<Settings, "registries"> & { readonly gc: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, `not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value)) throw invalid(path, "not a JSON object");
  const { registries = {}, gc, ...rest } = value;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(path, `unknown setting ${JSON.stringify(unknown)}`);
  if (!isObject(registries)) throw invalid(path, '"registries" is not an object');
  const hosts = Object.entries(registries).map(([host, entry]) => [host, parseRegistry(path, host, entry)]);
  return { registries: Object.fromEntries(hosts), gc };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `50m`, in bytes; undefined when the variable is not set. */
function sizeFrom(env: Env, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  const [, number, unit = ""] = /^(\d{1,12})([kmg]?)b?$/i.exec(text) ?? [];
  const bytes = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new TsbuildError("TSB_USAGE", `${name}=${JSON.stringify(text)} is not a size`, {
    hint: `for example ${name}=50m`,
  });
}

function countFrom(env: Env, name: string): number | undefined {
  const text = env[name];
  if (text === undefined || text === "") return undefined;
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new TsbuildError("TSB_USAGE", `${name}=${JSON.stringify(text)} is not a positive whole number`);
}

/** Reads the first configuration file there is. Throws TSB_USAGE naming file and field. */
export function readSettings(env: Env): Settings {
  for (const path of candidates(env)) {
    const text = readIfThere(path);
    if (text === undefined) continue;
    const { registries, gc } = parseFile(path, text);
    return { registries, gc: gcSettings(env, gc, (why) => invalid(path, why)), ...fromEnvironment(env) };
  }
  const gc = gcSettings(env, undefined, (why) => invalid("the environment", why));
  return { registries: {}, gc, ...fromEnvironment(env) };
}

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function fromEnvironment(env: Env): Omit<Settings, "registries" | "gc"> {
  return {
    mirror: env["TSBUILD_MIRROR"],
    networkProvider: networkProvider(env["TSBUILD_NETWORK"] || "auto"),
    path: env["PATH"] || DEFAULT_PATH,
    insecureHosts: (env["TSBUILD_INSECURE_REGISTRY"] ?? "").split(/[\s,]+/).filter((host) => host !== ""),
    pushChunkBytes: sizeFrom(env, "TSBUILD_PUSH_CHUNK"),
    history: {
      builds: countFrom(env, "TSBUILD_HISTORY_BUILDS") ?? 200,
      logBytes: sizeFrom(env, "TSBUILD_HISTORY_LOGS") ?? 200 * 1024 ** 2,
    },
  };
}

const NETWORK_PROVIDERS: readonly NetworkProvider[] = ["auto", "pasta", "slirp4netns", "host"];

function networkProvider(text: string): NetworkProvider {
  const known = NETWORK_PROVIDERS.find((name) => name === text);
  if (known !== undefined) return known;
  throw new TsbuildError("TSB_USAGE", `TSBUILD_NETWORK: unknown value ${JSON.stringify(text)}`, {
    hint: `one of ${NETWORK_PROVIDERS.join(", ")}`,
  });
}
