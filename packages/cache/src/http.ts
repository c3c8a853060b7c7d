import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { errnoCode, TsbuildError } from "@tsbuild/base";

export interface HttpCall {
  /** For errors: `reading the cache s3 bucket/manifests/main`. */
  readonly what: string;
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: HttpBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How often a call is made that the server was too busy for, or that the line broke on. Default 4. */
  readonly attempts?: number | undefined;
  /** Of silence. Default 2 minutes. */
  readonly idleMs?: number | undefined;
}

export interface HttpBody {
  readonly size: number;
  /** The memory of a chunk may be used again when the next one is asked for. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: IncomingMessage;
}

const BUSY = new Set([408, 429, 500, 502, 503, 504]);
const FIRST_DELAY_MS = 250;

/** One call, repeated while that may help. The caller reads the body or drops it. Rejects with TSB_RESOLVE, and on abort. */
export async function call(asked: HttpCall): Promise<HttpAnswer> {
  const attempts = asked.attempts ?? 4;
  for (let attempt = 1; ; attempt++) {
    const last = attempt >= attempts;
    const answer = await attemptCall(asked).catch((error: unknown) => {
      if (asked.signal?.aborted === true) throw error;
      if (last || errnoCode(error) === undefined) throw broken(asked, error);
      return undefined;
    });
    if (answer !== undefined) {
      if (last || !BUSY.has(answer.status)) return answer;
      answer.body.resume();
    }
    await delay(FIRST_DELAY_MS * 2 ** (attempt - 1), undefined, { signal: asked.signal });
  }
}

function broken({ what, url }: HttpCall, cause: unknown): TsbuildError {
  const why = cause instanceof Error ? cause.message || (errnoCode(cause) ?? cause.name) : String(cause);
  return new TsbuildError("TSB_RESOLVE", `${what}: ${url.host} cannot be reached: ${why}`, { cause });
}

async function attemptCall(asked: HttpCall): Promise<HttpAnswer> {
  const { method, url, headers, body, signal } = asked;
  const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(body.size) }) },
    ...(signal === undefined ? {} : { signal }),
  });
  request.setTimeout(asked.idleMs ?? 120_000, () => request.destroy(new Error("no answer in time")));
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve);
    request.on("error", reject);
  });
  // Awaited below; when sending fails first, nobody is left to hear of it.
  answered.catch(() => undefined);
  if (body === undefined) request.end();
  else await sendBody(body, request, answered);
  const response = await answered;
  return { status: response.statusCode ?? 0, headers: response.headers, body: response };
}

/** A server may answer, and close, before it has read everything: then its answer counts, not the broken line. */
async function sendBody(
  body: HttpBody,
  request: NodeJS.WritableStream,
  answered: Promise<IncomingMessage>,
): Promise<void> {
  const { lent } = await import("@tsbuild/oci");
  const sent = pipeline(lent(body.open()), request).catch(async (error: unknown) => {
    const early = await Promise.race([answered, delay(200).then(() => undefined)]);
    if (early === undefined) throw error;
  });
  await Promise.race([sent, answered]);
}

/** A short answer as text. */
export async function textOf({ body }: HttpAnswer, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes)
      throw new TsbuildError("TSB_INTEGRITY", `the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** What a refusal means to the user; with the server's own words, never with what was sent. */
export async function refusal({ what, url }: HttpCall, answer: HttpAnswer): Promise<TsbuildError> {
  const said = (await textOf(answer, 64 * 1024).catch(() => "")).replace(/\s+/g, " ").slice(0, 300);
  const isAuth = answer.status === 401 || answer.status === 403;
  const message = `${what}: ${url.host} answers ${answer.status}${said === "" ? "" : `: ${said}`}`;
  return new TsbuildError(isAuth ? "TSB_AUTH" : "TSB_RESOLVE", message, {
    hint: isAuth ? "check the credentials of the cache" : undefined,
  });
}

export function bodyOf(bytes: Uint8Array): HttpBody {
  return {
    size: bytes.length,
    open: async function* () {
      yield bytes;
    },
  };
}
