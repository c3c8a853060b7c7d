import { type ErrorCode, errnoCode, TsbuildError } from "@tsbuild/base";

/** The registry's own words: `errors[].message` of its JSON body (distribution-spec, "Error Codes"). */
export function registryMessage(body: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    // Not JSON: a proxy's page or nothing at all says nothing that helps.
    return "";
  }
  if (typeof parsed !== "object" || parsed === null) return "";
  if (!("errors" in parsed) || !Array.isArray(parsed.errors))
    return "details" in parsed ? String(parsed.details) : "";
  return parsed.errors.map(errorText).join("; ").slice(0, 500);
}

function errorText(error: unknown): string {
  if (typeof error !== "object" || error === null) return "";
  const code = "code" in error ? String(error.code) : "";
  const message = "message" in error ? String(error.message) : "";
  return [code, message].filter((part) => part !== "").join(": ");
}

function codeOf(status: number): ErrorCode {
  return status === 401 || status === 403 ? "TSB_AUTH" : "TSB_RESOLVE";
}

export interface RefusedAnswer {
  readonly url: string;
  readonly status: number;
  readonly body: string;
  /** Scopes that were asked for (R013). */
  readonly scopes?: readonly string[] | undefined;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
  /** Why stored credentials could not be used, if that is so. */
  readonly problem?: string | undefined;
  /** Who the registry was told that this is: `as me`. */
  readonly login?: string | undefined;
}

function loginHint({ problem, login }: RefusedAnswer, host: string): string {
  const need = `the repository may not exist, or it may need a login: tsbuild login ${host}`;
  if (problem !== undefined) return `${problem}; ${need}`;
  if (login === undefined) return need;
  return `logged in ${login}: the password may be wrong or outdated (tsbuild login ${host}), the repository may not exist, or may not be yours`;
}

function hintOf(answer: RefusedAnswer): string | undefined {
  const { url, status, body } = answer;
  const { host } = new URL(url);
  if (status === 401 || status === 403) return loginHint(answer, host);
  if (status === 404) return "check the name and the tag";
  if (status === 413)
    return "something before the registry limits the size of uploads: set chunkBytes for the host, or TSBUILD_PUSH_CHUNK=50m";
  if (status === 429)
    return "the registry limits how often you may pull: wait, log in, or use a mirror (TSBUILD_MIRROR)";
  // A HEAD is refused without a word.
  if (status === 400 && url.startsWith("http:") && (body === "" || /https/i.test(body)))
    return `if the registry speaks TLS: put its CA into /etc/docker/certs.d/${host}/ca.crt, or use --insecure-registry ${host}`;
  return undefined;
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

/** What a registry says about its limits (R011): `limit 100;w=21600, 0 left`. */
function limitsOf(headers: RefusedAnswer["headers"]): string {
  const limit = one(headers?.["ratelimit-limit"]);
  const left = one(headers?.["ratelimit-remaining"]);
  const parts = [limit === undefined ? "" : `limit ${limit}`, left === undefined ? "" : `${left} left`];
  return parts.filter((part) => part !== "").join(", ");
}

/** An answer that is not the one asked for: host, status, the registry's words, its limits, and the scope. */
export function refused(what: string, answer: RefusedAnswer): TsbuildError {
  const { url, status, body, scopes = [], headers } = answer;
  const scope = (status === 401 || status === 403) && scopes.length > 0 ? `scope ${scopes.join(" ")}` : "";
  const rate = status === 429 ? limitsOf(headers) : "";
  const details = [registryMessage(body), scope, rate].filter((part) => part !== "").join("; ");
  const message = `${what}: ${new URL(url).host} answered ${status}${details === "" ? "" : ` (${details})`}`;
  return new TsbuildError(codeOf(status), message, { hint: hintOf(answer) });
}

function downloadHint(url: string, status: number): string | undefined {
  const { host } = new URL(url);
  if (status === 401 || status === 403)
    return `if it needs a login: --secret id=HTTP_AUTH_TOKEN_${host},env=TOKEN (or HTTP_AUTH_HEADER_${host} with a whole header)`;
  if (status === 404 || status === 410) return "check the URL: the server has nothing there";
  if (status === 429) return "the server limits how often it may be asked: wait";
  return undefined;
}

/** An answer to a plain download that is not the file. */
export function downloadError(what: string, url: string, status: number, body: string): TsbuildError {
  const said = registryMessage(body);
  const message = `${what}: ${new URL(url).host} answered ${status}${said === "" ? "" : ` (${said})`}`;
  return new TsbuildError(codeOf(status), message, { hint: downloadHint(url, status) });
}

/** OpenSSL's names for a certificate that is not trusted, as Node passes them on. */
export function isCertificateCode(code: string | undefined): boolean {
  return /CERT|SELF_SIGNED|ISSUER|ALTNAME|LEAF_SIGNATURE/.test(code ?? "");
}

function connectionHint(code: string | undefined, { protocol, host }: URL): string | undefined {
  if (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UND_ERR_CONNECT_TIMEOUT)$/.test(code ?? ""))
    return "check that the registry runs and that this machine can reach it; a mirror can be named with TSBUILD_MIRROR=HOST=URL";
  if (isCertificateCode(code))
    return `put the registry's CA into /etc/docker/certs.d/${host}/ca.crt, or use --insecure-registry ${host}`;
  if (
    code === "ERR_SSL_WRONG_VERSION_NUMBER" ||
    code === "ERR_SSL_PACKET_LENGTH_TOO_LONG" ||
    code === "EPROTO"
  )
    return `it does not speak TLS: for plain HTTP use --insecure-registry ${host}`;
  // What it says before it hangs up does not get through (TLS 1.3 asks for the certificate when all else is done).
  if (code === "UND_ERR_SOCKET" && protocol === "https:")
    return `if it wants a certificate of yours: put it and its key into /etc/docker/certs.d/${host}/client.cert and client.key`;
  return undefined;
}

/** No answer at all. */
export function connectionError(what: string, url: string, cause: unknown): TsbuildError {
  if (cause instanceof TsbuildError) return cause;
  const code = errnoCode(cause);
  const place = new URL(url);
  const { host } = place;
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  const message = isCertificateCode(code)
    ? `the certificate of ${host} is not trusted: ${reason}`
    : isTransient(cause)
      ? `the connection broke to ${host}: ${reason}`
      : `cannot reach ${host}: ${reason}`;
  return new TsbuildError("TSB_RESOLVE", `${what}: ${message}`, { hint: connectionHint(code, place), cause });
}

const TRANSIENT = new Set([
  ...["ECONNRESET", "EPIPE", "ETIMEDOUT", "EAI_AGAIN", "UND_ERR_SOCKET", "UND_ERR_CLOSED"],
  ...["UND_ERR_BODY_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_RES_CONTENT_LENGTH_MISMATCH"],
  ...["UND_ERR_IDLE"],
]);

/** Worth another try: the server or the line is at fault, not the request (R009). */
export function isTransient(error: unknown): boolean {
  const code = errnoCode(error) ?? "";
  return TRANSIENT.has(code) || code.startsWith("HPE_");
}

/** Answers worth another try. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}
