import { TsbuildError } from "@tsbuild/base";
import type { Challenge } from "./challenge.ts";
import type { Credential } from "./credentials/types.ts";
import { refused } from "./failure.ts";
import { isLinkLocal, isLoopback } from "./hosts.ts";

/** Life of a token whose server does not say (distribution, "Token Authentication Specification"). */
const DEFAULT_LIFE_S = 60;

export interface Token {
  readonly value: string;
  /** Seconds. */
  readonly lifeS: number;
}

export interface TokenAnswer {
  readonly status: number;
  readonly text: string;
}

/** One request to a token server, without any credentials but those in it. */
export type AskTokenServer = (request: {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
}) => Promise<TokenAnswer>;

export interface TokenRequest {
  readonly what: string;
  readonly challenge: Challenge;
  readonly scopes: readonly string[];
  readonly credential: Credential | undefined;
  /** Of the registry that has sent the challenge. */
  readonly registryUrl: string;
  /** Hosts for which the user has allowed secrets without TLS. */
  readonly allowsPlain: (host: string) => boolean;
  readonly problem?: string | undefined;
}

/**
 * A registry somewhere else has no business on this machine, nor at addresses that mean something else on every wire (what a cloud tells its
 * machines): what answers there would be asked in this machine's name, and its answer printed.
 */
function checkReach({ what, registryUrl }: TokenRequest, realm: URL): void {
  const { host, hostname } = new URL(registryUrl);
  const isNear = isLoopback(realm.host) || isLinkLocal(realm.hostname);
  if (!isNear || isLoopback(host) || realm.hostname === hostname) return;
  throw new TsbuildError(
    "TSB_AUTH",
    `${what}: ${host} names a token server that only this machine can reach: ${realm.origin}`,
  );
}

/**
 * A challenge names the server that gets the password, so the challenger chooses where it goes. Never in clear over a network, unless the
 * user has said so for that host; and to this machine only from this machine.
 */
function checkRealm(request: TokenRequest, realm: URL): void {
  checkReach(request, realm);
  if (request.credential === undefined || realm.protocol === "https:") return;
  const registry = new URL(request.registryUrl);
  if (isLoopback(realm.host) && isLoopback(registry.host)) return;
  if (request.allowsPlain(realm.host)) return;
  throw new TsbuildError(
    "TSB_AUTH",
    `${request.what}: ${registry.host} wants the password sent in clear to ${realm.origin}`,
    { hint: `if that is right: --insecure-registry ${realm.host}` },
  );
}

function realmOf(request: TokenRequest): URL {
  const realm = request.challenge.parameters["realm"] ?? "";
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    const { host } = new URL(request.registryUrl);
    throw new TsbuildError(
      "TSB_AUTH",
      `${request.what}: ${host} names no token server (${JSON.stringify(realm)})`,
    );
  }
  checkRealm(request, url);
  return url;
}

function tokenOf(what: string, url: URL, text: string): Token {
  let parsed: { readonly token?: unknown; readonly access_token?: unknown; readonly expires_in?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch {
    parsed = {};
  }
  const value = parsed?.token || parsed?.access_token;
  if (typeof value !== "string" || !/^[\x21-\x7e]+$/.test(value))
    throw new TsbuildError("TSB_AUTH", `${what}: the token server ${url.host} sent no token`);
  const life = Number(parsed.expires_in);
  return { value, lifeS: Number.isFinite(life) && life > 0 ? life : DEFAULT_LIFE_S };
}

function grant(request: TokenRequest): Record<string, string> | undefined {
  const { credential } = request;
  if (credential?.type === "identity")
    return { grant_type: "refresh_token", refresh_token: credential.token };
  if (credential?.type !== "password") return undefined;
  return { grant_type: "password", username: credential.username, password: credential.password };
}

/** Servers that know no POST answer with one of these (404 GCR, 401 Artifactory, 405 the specification). */
const NO_POST = new Set([400, 401, 404, 405, 501]);

async function byPost(request: TokenRequest, url: URL, ask: AskTokenServer): Promise<Token | undefined> {
  const fields = grant(request);
  if (fields === undefined) return undefined;
  const service = request.challenge.parameters["service"];
  const form = new URLSearchParams({ ...fields, client_id: "tsbuild", scope: request.scopes.join(" ") });
  if (service !== undefined) form.set("service", service);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const answer = await ask({ url: url.href, method: "POST", headers, body: Buffer.from(form.toString()) });
  if (answer.status === 200) return tokenOf(request.what, url, answer.text);
  if (request.credential?.type === "password" && NO_POST.has(answer.status)) return undefined;
  throw tokenRefused(request, url, answer);
}

function tokenRefused(request: TokenRequest, url: URL, { status, text }: TokenAnswer): TsbuildError {
  const { what, scopes, problem, credential } = request;
  const login = credential === undefined ? undefined : loginOf(credential);
  return refused(`${what}: getting a token`, { url: url.href, status, body: text, scopes, problem, login });
}

/** Who somebody says to be, for a hint; never the secret. */
export function loginOf(credential: Credential): string {
  return credential.type === "password" ? `as ${credential.username}` : "by a token";
}

export function basicHeader(credential: Credential & { readonly type: "password" }): string {
  return `Basic ${Buffer.from(`${credential.username}:${credential.password}`, "utf8").toString("base64")}`;
}

/** Gets a token: OAuth's POST with a refresh token or password, else GET with Basic, or without anything (R002). */
export async function fetchToken(request: TokenRequest, ask: AskTokenServer): Promise<Token> {
  const realm = realmOf(request);
  const posted = await byPost(request, realm, ask);
  if (posted !== undefined) return posted;
  const url = new URL(realm);
  const service = request.challenge.parameters["service"];
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of request.scopes) url.searchParams.append("scope", scope);
  const { credential } = request;
  const headers: Record<string, string> =
    credential?.type === "password" ? { authorization: basicHeader(credential) } : {};
  const answer = await ask({ url: url.href, method: "GET", headers });
  if (answer.status !== 200) throw tokenRefused(request, realm, answer);
  return tokenOf(request.what, realm, answer.text);
}
