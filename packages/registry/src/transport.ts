import { TsbuildError } from "@tsbuild/base";
import { type Dispatcher, request } from "undici";
import { type Access, Authorizer } from "./authorizer.ts";
import { storedCredentials } from "./credentials/source.ts";
import type { CredentialSource } from "./credentials/types.ts";
import { Dispatchers, type Pool } from "./dispatchers.ts";
import { connectionError, isTransient, isTransientStatus, refused } from "./failure.ts";
import { type HostConfigs, isLoopback } from "./hosts.ts";
import { idleGuarded } from "./idle.ts";
import { backoffMs, defaultPatience, type Patience, type RetryNotice, retryAfterMs } from "./retry.ts";
import type { TokenAnswer } from "./tokens.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData["body"];
  /** URL that answered in the end. */
  readonly url: string;
}

/** A body that can be sent again, after a challenge or a broken connection. */
export interface CallBody {
  readonly sizeBytes: number;
  readonly open: () => Uint8Array | AsyncIterable<Uint8Array>;
}

export interface Call {
  /** For messages: `pulling docker.io/library/x:latest`. */
  readonly what: string;
  readonly url: string;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: CallBody | undefined;
  /** Origin to which credentials may go, and whose. Absent: nowhere. */
  readonly access?: (Access & { readonly origin: string }) | undefined;
  /** Default: metadata. */
  readonly pool?: Pool | undefined;
  /** A large body is expected, and a piece of it is read and done with before the next is asked for. */
  readonly isLarge?: boolean | undefined;
  /** False: the caller knows better how to go on after a failure. Default true. */
  readonly retry?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sent to the origin of `url` only, whatever it redirects to; for what is no registry. */
  readonly authorization?: string | undefined;
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

export interface TransportOptions {
  readonly hosts?: HostConfigs | undefined;
  /** Proxies, and places of credentials; default: none of either. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly credentials?: CredentialSource | undefined;
  readonly patience?: Partial<Patience> | undefined;
  readonly certificateFolders?: readonly string[] | undefined;
}

const MAX_REDIRECTS = 10;
/** Of an answer that is read for its message only. */
const MAX_MESSAGE_BYTES = 64 * 1024;

export function header(answer: Pick<Answer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** The beginning of a body as text; the rest is not waited for. */
export async function messageOf(answer: Answer): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_MESSAGE_BYTES) break;
    }
  } catch (error) {
    // What has come of a broken message is still the best there is to show.
    if (!isTransient(error)) throw error;
  }
  return Buffer.concat(chunks).subarray(0, MAX_MESSAGE_BYTES).toString("utf8");
}

/** Reads what is left of a small body, so that the connection can be used again; closes it when there is more. */
export async function drop(answer: Pick<Answer, "body">): Promise<void> {
  await answer.body.dump({ limit: MAX_MESSAGE_BYTES }).catch(() => undefined);
}

/** HTTP with redirects, retries, credentials and per-host certificates for one client. */
export class Transport {
  readonly patience: Patience;
  readonly dispatchers: Dispatchers;
  readonly #authorizer: Authorizer;

  constructor(options: TransportOptions = {}) {
    const { hosts = {}, env = {}, certificateFolders } = options;
    this.patience = { ...defaultPatience, ...options.patience };
    this.dispatchers = new Dispatchers({ hosts, env, idleMs: this.patience.idleMs, certificateFolders });
    this.#authorizer = new Authorizer({
      credentials: options.credentials ?? storedCredentials(env),
      ask: (ask) => this.#askTokenServer(ask),
      allowsPlain: (host) =>
        isLoopback(host) ? false : hosts[host]?.http === true || hosts[host]?.insecure === true,
      now: this.patience.now,
    });
  }

  async close(): Promise<void> {
    await this.dispatchers.close();
  }

  /** The final answer: 2xx, or whatever else is not a redirect, a challenge or worth a retry. The caller consumes its body. */
  async send(call: Call): Promise<Answer> {
    const attempts = call.retry === false ? 1 : this.patience.attempts;
    for (let attempt = 1; ; attempt++) {
      let answer: Answer;
      try {
        answer = await this.#authorized(call);
      } catch (error) {
        call.signal?.throwIfAborted();
        if (attempt >= attempts || !isTransient(error)) throw connectionError(call.what, call.url, error);
        await this.pause(call, attempt, error);
        continue;
      }
      if (attempt >= attempts || !isTransientStatus(answer.status)) return answer;
      const failure = await this.refusal(call, answer);
      await this.pauseAfter(call, attempt, { answer, failure });
    }
  }

  /** Does a whole exchange again when its answer breaks off. */
  async repeated<T>(call: Call, work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        call.signal?.throwIfAborted();
        if (!isTransient(error) || attempt >= this.patience.attempts)
          throw isTransient(error) ? connectionError(call.what, call.url, error) : error;
        await this.pause(call, attempt, error);
      }
    }
  }

  /** Waits before another try after a broken connection. */
  async pause(
    call: Pick<Call, "url" | "signal" | "onRetry">,
    attempt: number,
    error: unknown,
  ): Promise<void> {
    const reason = connectionError("", call.url, error).message.replace(/^: /, "");
    await this.#wait(call, { reason, delayMs: backoffMs(this.patience, attempt) });
  }

  /** Waits as long as the answer asks for. Throws `failure` when that is longer than anybody would wait. */
  async pauseAfter(
    call: Pick<Call, "signal" | "onRetry">,
    attempt: number,
    { answer, failure }: { readonly answer: Answer; readonly failure: TsbuildError },
  ): Promise<void> {
    const asked = retryAfterMs(header(answer, "retry-after"), this.patience.now());
    if (asked !== undefined && asked > this.patience.maxRetryAfterMs) {
      const message = `${failure.message}; it asks to wait ${Math.ceil(asked / 1000)} s`;
      throw new TsbuildError(failure.code, message, { hint: failure.hint });
    }
    const reason = `${new URL(answer.url).host} answered ${answer.status}`;
    await this.#wait(call, { reason, delayMs: asked ?? backoffMs(this.patience, attempt) });
  }

  async #wait(call: Pick<Call, "signal" | "onRetry">, notice: RetryNotice): Promise<void> {
    call.onRetry?.(notice);
    await this.patience.sleep(notice.delayMs, call.signal);
  }

  /** The error that an unwanted answer is; reads its body. */
  async refusal(call: Pick<Call, "what" | "access">, answer: Answer): Promise<TsbuildError> {
    const body = await messageOf(answer);
    const { host, scopes } = call.access ?? { host: "", scopes: undefined };
    const [problem, login] = [this.#authorizer.problem(host), this.#authorizer.login(host)];
    const { url, status, headers } = answer;
    return refused(call.what, { url, status, body, headers, scopes, problem, login });
  }

  /** Sends with what is known; answers a challenge, and a second one that wants more (insufficient_scope). */
  async #authorized(call: Call): Promise<Answer> {
    const { access } = call;
    if (access === undefined || new URL(call.url).origin !== access.origin)
      return this.#follow(call, call.authorization);
    let used = await this.#authorizer.known(call.url, access);
    for (let round = 1; ; round++) {
      const answer = await this.#follow(call, used);
      const challenge = header(answer, "www-authenticate");
      const own = new URL(answer.url).origin === access.origin;
      if (answer.status !== 401 || challenge === undefined || !own || round > 2) return answer;
      const next = await this.#authorizer.answer({
        what: call.what,
        url: call.url,
        access,
        header: challenge,
        used,
      });
      if (next === undefined) return answer;
      await drop(answer);
      used = next;
    }
  }

  async #follow(call: Call, authorization: string | undefined): Promise<Answer> {
    const { origin } = new URL(call.url);
    let url = call.url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      // Credentials stay with the origin they were made for.
      const own = authorization !== undefined && new URL(url).origin === origin;
      const answer = await this.#once({ ...call, url }, own ? { authorization } : {});
      const location = redirectOf(call, answer);
      if (location === undefined) return answer;
      await drop(answer);
      url = resolveLocation(url, location);
    }
    throw new TsbuildError(
      "TSB_RESOLVE",
      `${call.what}: more than ${MAX_REDIRECTS} redirects from ${call.url}`,
    );
  }

  async #once(call: Call, authorization: Readonly<Record<string, string>>): Promise<Answer> {
    const { body, signal } = call;
    const guard = body === undefined ? undefined : idleGuarded(body.open(), this.patience.idleMs, signal);
    const length: Record<string, string> =
      body === undefined ? {} : { "content-length": String(body.sizeBytes) };
    try {
      const answer = await request(call.url, {
        dispatcher: await this.#dispatcher(call),
        method: call.method,
        headers: { "user-agent": "tsbuild", ...call.headers, ...length, ...authorization },
        ...(guard === undefined ? {} : { body: guard.body }),
        // undici would close the connection after it, for servers that answer a HEAD with a body: that one breaks, and is tried again.
        ...(call.method === "HEAD" ? { reset: false } : {}),
        signal: guard?.signal ?? signal ?? null,
      });
      return { status: answer.statusCode, headers: answer.headers, body: answer.body, url: call.url };
    } finally {
      guard?.end();
    }
  }

  async #dispatcher(call: Call): Promise<Dispatcher> {
    const direct = call.isLarge === true ? await this.dispatchers.direct(call.url) : undefined;
    return direct ?? this.dispatchers.for(call.url, call.pool ?? "metadata");
  }

  async #askTokenServer(ask: {
    readonly url: string;
    readonly method: "GET" | "POST";
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: Uint8Array | undefined;
  }): Promise<TokenAnswer> {
    const { url, method, headers, body } = ask;
    const { authorization, ...rest } = headers;
    const what = "getting a token";
    for (let attempt = 1; ; attempt++) {
      const sent = body === undefined ? undefined : { sizeBytes: body.length, open: () => body };
      const answer = await this.#follow({ what, url, method, headers: rest, body: sent }, authorization);
      if (attempt >= this.patience.attempts || !isTransientStatus(answer.status))
        return { status: answer.status, text: await messageOf(answer) };
      const failure = await this.refusal({ what }, answer);
      await this.pauseAfter({}, attempt, { answer, failure });
    }
  }
}

/** Where an answer sends the request. One that changes something is sent on only where its method and body stay (307, 308). */
function redirectOf(call: Call, { status, headers }: Answer): string | undefined {
  const reading = call.method === "GET" || call.method === "HEAD";
  const redirects = reading ? [301, 302, 303, 307, 308] : [307, 308];
  return redirects.includes(status) ? header({ headers }, "location") : undefined;
}

/**
 * An address that a registry names, against the one it was asked at. Behind a proxy that ends TLS many name their own host with http://;
 * the scheme that was good for the request is good for the next one.
 */
export function resolveLocation(base: string, location: string): string {
  if (!URL.canParse(location, base))
    throw new TsbuildError(
      "TSB_RESOLVE",
      `${new URL(base).host} sends to ${JSON.stringify(location)}, which is no URL`,
    );
  const from = new URL(base);
  const to = new URL(location, base);
  if (to.protocol !== "http:" && to.protocol !== "https:")
    throw new TsbuildError("TSB_RESOLVE", `${from.host} sends to ${to.protocol}//, which is not HTTP`);
  if (from.protocol === "https:" && to.protocol === "http:" && to.host === from.host) to.protocol = "https:";
  return to.href;
}
