import { type ErrorCode, errnoCode, TsbuildError } from "@tsbuild/base";

/** The registry's own words: `errors[].message` of its JSON body (distribution-spec, "Error Codes"). */
export function registryMessage(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (
      typeof parsed !== "object" ||
      parsed === null ||
      !("errors" in parsed) ||
      !Array.isArray(parsed.errors)
    )
      return "";
    return parsed.errors
      .map((error: unknown) => {
        if (typeof error !== "object" || error === null) return "";
        const code = "code" in error ? String(error.code) : "";
        const message = "message" in error ? String(error.message) : "";
        return [code, message].filter((part) => part !== "").join(": ");
      })
      .join("; ")
      .slice(0, 500);
  } catch {
    // Not JSON: a proxy's page or nothing at all says nothing that helps.
    return "";
  }
}

function codeOf(status: number): ErrorCode {
  return status === 401 || status === 403 ? "TSB_AUTH" : "TSB_RESOLVE";
}

function hintOf(status: number): string | undefined {
  if (status === 401 || status === 403) return "the repository may not exist, or it may need a login";
  if (status === 404) return "check the name and the tag";
  if (status === 429)
    return "the registry limits how often you may pull: wait, or use a mirror (TSBUILD_MIRROR)";
  return undefined;
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
  return answerError({ what, url, status, body, hint: downloadHint(url, status) });
}

/** An answer that is not the one asked for. */
export function statusError(what: string, url: string, status: number, body: string): TsbuildError {
  return answerError({ what, url, status, body, hint: hintOf(status) });
}

interface BadAnswer {
  readonly what: string;
  readonly url: string;
  readonly status: number;
  readonly body: string;
  readonly hint: string | undefined;
}

function answerError({ what, url, status, body, hint }: BadAnswer): TsbuildError {
  const said = registryMessage(body);
  return new TsbuildError(
    codeOf(status),
    `${what}: ${new URL(url).host} answered ${status}${said === "" ? "" : ` (${said})`}`,
    { hint },
  );
}

/** No answer at all. */
export function connectionError(what: string, url: string, cause: unknown): TsbuildError {
  const code = errnoCode(cause);
  const { host } = new URL(url);
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause));
  return new TsbuildError("TSB_RESOLVE", `${what}: cannot reach ${host}: ${reason}`, {
    hint:
      code === "ECONNREFUSED" ||
      code === "ENOTFOUND" ||
      code === "EAI_AGAIN" ||
      code === "UND_ERR_CONNECT_TIMEOUT"
        ? "check that the registry runs and that this machine can reach it; a mirror can be named with TSBUILD_MIRROR=HOST=URL"
        : undefined,
    cause,
  });
}

/** Worth another try: the server or the line is at fault, not the request (R009). */
export function isTransient(error: unknown): boolean {
  const code = errnoCode(error);
  return (
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    code === "UND_ERR_SOCKET" ||
    code === "UND_ERR_BODY_TIMEOUT" ||
    code === "UND_ERR_HEADERS_TIMEOUT" ||
    code === "ETIMEDOUT"
  );
}
