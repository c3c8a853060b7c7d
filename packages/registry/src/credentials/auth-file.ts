import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { canonicalHost } from "../hosts.ts";
import type { Credential } from "./types.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** What tsbuild reads of docker's config.json and of containers-auth.json(5). */
export interface AuthFile {
  readonly path: string;
  readonly auths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly credHelpers: Readonly<Record<string, string>>;
  readonly credsStore: string | undefined;
}

export function dockerConfigPath(env: Env): string {
  return join(env["DOCKER_CONFIG"] || join(env["HOME"] || homedir(), ".docker"), "config.json");
}

/** In the order in which they are asked: the file that the environment names, docker's, then podman's. */
export function authFilePaths(env: Env): string[] {
  const named = env["REGISTRY_AUTH_FILE"];
  const runtime = env["XDG_RUNTIME_DIR"];
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  return [
    ...(named ? [named] : []),
    dockerConfigPath(env),
    ...(runtime ? [join(runtime, "containers/auth.json")] : []),
    join(config, "containers/auth.json"),
  ];
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function strings(value: unknown): Record<string, string> {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

/** The file's JSON object; undefined when there is no file. Throws TSB_AUTH when it is not JSON. */
export function readJsonFile(path: string): Record<string, unknown> | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new TsbuildError("TSB_AUTH", `${path} cannot be read: ${code ?? String(cause)}`, { cause });
  }
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // A parser's message quotes the text, and this text holds secrets.
  }
  throw new TsbuildError("TSB_AUTH", `${path} is not a JSON object`, { hint: "repair it, or move it away" });
}

export function readAuthFile(path: string): AuthFile | undefined {
  const value = readJsonFile(path);
  if (value === undefined) return undefined;
  const auths = isObject(value["auths"]) ? value["auths"] : {};
  return {
    path,
    auths: Object.fromEntries(
      Object.entries(auths).filter((entry): entry is [string, Record<string, unknown>] => isObject(entry[1])),
    ),
    credHelpers: strings(value["credHelpers"]),
    credsStore: typeof value["credsStore"] === "string" ? value["credsStore"] || undefined : undefined,
  };
}

/**
 * What a key of `auths` stands for: `host` or `host/namespace…`. Docker writes URLs (`https://index.docker.io/v1/`) whose path is an API
 * version; any other path is a namespace, and its entry is for repositories below it only.
 */
export function authKey(key: string): string {
  const [host = "", ...path] = key
    .replace(/^https?:\/\//, "")
    .split("/")
    .filter((part) => part !== "");
  const isVersion = path.length === 1 && /^v[12]$/.test(path[0] ?? "");
  return [canonicalHost(host), ...(isVersion ? [] : path)].join("/");
}

/** Keys that may answer for a repository, the most specific first: `h/a/b`, `h/a`, `h`. */
export function candidateKeys(host: string, repository: string): string[] {
  const parts = repository.split("/").filter((part) => part !== "");
  return Array.from({ length: parts.length + 1 }, (_, i) =>
    [host, ...parts.slice(0, parts.length - i)].join("/"),
  );
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Takes an entry of `auths` apart: tokens go before passwords. Undefined for an empty one, as stores leave them behind. */
export function credentialOf(entry: Readonly<Record<string, unknown>>): Credential | undefined {
  const bearer = text(entry["registrytoken"]);
  if (bearer !== undefined) return { type: "bearer", token: bearer };
  const identity = text(entry["identitytoken"]);
  if (identity !== undefined) return { type: "identity", token: identity };
  const username = text(entry["username"]);
  const password = text(entry["password"]);
  if (username !== undefined && password !== undefined) return { type: "password", username, password };
  const decoded = Buffer.from(text(entry["auth"]) ?? "", "base64")
    .toString("utf8")
    .replace(/\0+$/, "");
  const colon = decoded.indexOf(":");
  if (colon <= 0) return undefined;
  return { type: "password", username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
