import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type GitRequest, hostOf } from "./request.ts";

/** A running agent, or private keys in files. */
export type SshIdentity =
  | { readonly type: "socket"; readonly path: string }
  | { readonly type: "keys"; readonly files: readonly string[] };

/** Where secrets and agents of a build come from. */
export interface Credentials {
  secret(id: string): Promise<Uint8Array | undefined>;
  /** Who logs in to `host` over ssh under this id of `--ssh`; undefined: nobody. */
  ssh(id: string, host: string): Promise<SshIdentity | undefined>;
  /** File of host keys to trust in place of the user's own. */
  readonly knownHosts?: string | undefined;
}

/** What a call to git needs to reach a remote. */
export interface Login {
  /** The URL without user and password. */
  readonly url: string;
  readonly config: readonly (readonly [string, string])[];
  readonly env: Readonly<Record<string, string>>;
}

export interface LoginRequest
  extends Pick<GitRequest, "url" | "tokenSecret" | "headerSecret" | "ssh" | "knownHosts"> {
  /** Secrets that name no host are for the repository that was asked for, not for what its submodules point to. */
  readonly hostSecretsOnly: boolean;
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

async function readSecret(credentials: Credentials, ids: readonly string[]): Promise<string | undefined> {
  for (const id of ids) {
    const value = await credentials.secret(id);
    if (value !== undefined) return Buffer.from(value).toString("utf8").trim();
  }
  return undefined;
}

function fromUrl(url: string): { readonly url: string; readonly header: string | undefined } {
  if (!URL.canParse(url) || !/^https?:/i.test(url)) return { url, header: undefined };
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (username === "" && password === "") return { url, header: undefined };
  parsed.username = "";
  parsed.password = "";
  return { url: parsed.href, header: basic(decodeURIComponent(username), decodeURIComponent(password)) };
}

async function secretHeader(request: LoginRequest, credentials: Credentials): Promise<string | undefined> {
  const { host } = hostOf(request.url);
  const ids = (id: string): string[] => {
    const scoped = [`${id}.${host}`, `${id}.${host.replace(/:\d+$/, "")}`];
    return request.hostSecretsOnly ? scoped : [...scoped, id];
  };
  const header = await readSecret(credentials, ids(request.headerSecret));
  if (header !== undefined) return header;
  const token = await readSecret(credentials, ids(request.tokenSecret));
  return token === undefined ? undefined : basic("x-access-token", token);
}

/**
 * Credentials for http(s), as configuration in git's environment: never an argument. They hold for the origin alone; redirects, which git
 * would follow with the header, are refused as long as there is one.
 */
async function httpLogin(request: LoginRequest, credentials: Credentials): Promise<Login> {
  const written = fromUrl(request.url);
  const header = written.header ?? (await secretHeader(request, credentials));
  const { origin } = hostOf(written.url);
  if (header === undefined || origin === undefined) return { url: written.url, config: [], env: {} };
  const config = [
    [`http.${origin}/.extraHeader`, `Authorization: ${header}`],
    ["http.followRedirects", "false"],
  ] as const;
  return { url: written.url, config, env: {} };
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Options of ssh for what it trusts: lines of the op, the file of the build, or what the user knows. */
function hostOptions(request: LoginRequest, credentials: Credentials, folder: () => string): string[] {
  let file = credentials.knownHosts;
  if (request.knownHosts !== "") {
    file = join(folder(), "known_hosts");
    writeFileSync(file, `${request.knownHosts}\n`);
  }
  return file === undefined ? [] : [`UserKnownHostsFile=${file}`, "GlobalKnownHostsFile=/dev/null"];
}

/** ssh with what was lent to the build: no other key, no prompt, no configuration of this machine's user. */
async function sshLogin(
  request: LoginRequest,
  credentials: Credentials,
  folder: () => string,
): Promise<Login> {
  const identity = await credentials.ssh(request.ssh, hostOf(request.url).host.replace(/:\d+$/, ""));
  const keys = identity?.type === "keys" ? identity.files : ["none"];
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    ...keys.map((file) => `IdentityFile=${file}`),
    ...(identity?.type === "socket" ? [] : ["IdentityAgent=none", "IdentitiesOnly=yes"]),
    ...hostOptions(request, credentials, folder),
  ];
  const command = ["ssh", "-F", "none", ...options.flatMap((option) => ["-o", quoted(option)])].join(" ");
  const env: Record<string, string> = { GIT_SSH_COMMAND: command, GIT_SSH_VARIANT: "ssh" };
  if (identity?.type === "socket") env["SSH_AUTH_SOCK"] = identity.path;
  return { url: request.url, config: [], env };
}

/** `folder` makes a private folder for files that ssh has to read. */
export async function login(
  request: LoginRequest,
  credentials: Credentials,
  folder: () => string,
): Promise<Login> {
  if (/^https?:/i.test(request.url)) return httpLogin(request, credentials);
  if (/^git:/i.test(request.url)) return { url: request.url, config: [], env: {} };
  return sshLogin(request, credentials, folder);
}
