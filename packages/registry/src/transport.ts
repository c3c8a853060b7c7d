import { setTimeout as sleep } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import { type Challenge, parseChallenge } from "./challenge.ts";
import { connectionError, isTransient, statusError } from "./failure.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Dispatcher.ResponseData["body"];
  /** URL that answered in the end. */
  readonly url: string;
}

export interface Call {
  /** For messages: `pulling docker.io/library/x:latest`. */
  readonly what: string;
  readonly url: string;
  readonly method: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** `repository:NAME:pull`. */
  readonly scope?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Sent to the origin of `url` only, whatever it redirects to. */
  readonly authorization?: string | undefined;
}

const MAX_REDIRECTS = 10;
const ATTEMPTS = 4;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;

export function header(answer: Pick<Answer, "headers">, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

/** HTTP with redirects, retries and bearer tokens for one client. Tokens are bound to the origin that asked for them. */
export class Transport {
  readonly #agent = new Agent({
    connections: 6,
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
    connect: { timeout: 10_000 },
  });
  readonly #tokens = new Map<string, Promise<string>>();

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** The final answer: 2xx, or whatever else is not a redirect, a challenge or worth a retry. The caller consumes its body. */
  async send(call: Call): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const answer = await this.#authorized(call);
        if (attempt === ATTEMPTS || (answer.status !== 429 && answer.status < 500)) return answer;
        await answer.body.dump();
        await sleep(retryDelay(attempt, header(answer, "retry-after")), undefined, { signal: call.signal });
      } catch (error) {
        call.signal?.throwIfAborted();
        if (attempt === ATTEMPTS || !isTransient(error)) throw connectionError(call.what, call.url, error);
        await sleep(retryDelay(attempt, undefined), undefined, { signal: call.signal });
      }
    }
  }

  /** Sends once; answers a Bearer challenge with a token and sends again (R002). */
  async #authorized(call: Call): Promise<Answer> {
    const key = `${new URL(call.url).origin} ${call.scope ?? ""}`;
    const known = this.#tokens.get(key);
    const first = await this.#follow(call, known === undefined ? undefined : await known);
    const challenge =
      first.status === 401 ? parseChallenge(header(first, "www-authenticate") ?? "") : undefined;
    if (challenge?.scheme !== "bearer" || challenge.parameters["realm"] === undefined) return first;
    await first.body.dump();
    const token = this.#fetchToken(call, challenge);
    this.#tokens.set(key, token);
    token.catch(() => this.#tokens.delete(key));
    return this.#follow(call, await token);
  }

  async #follow(call: Call, token: string | undefined): Promise<Answer> {
    const { origin } = new URL(call.url);
    let url = call.url;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      // Credentials stay with the origin they were made for.
      const login = token === undefined ? call.authorization : `Bearer ${token}`;
      const authorization =
        login !== undefined && new URL(url).origin === origin ? { authorization: login } : {};
      const { statusCode, headers, body } = await request(url, {
        dispatcher: this.#agent,
        method: call.method,
        headers: { "user-agent": "tsbuild", ...call.headers, ...authorization },
        signal: call.signal ?? null,
      });
      const location = header({ headers }, "location");
      if (statusCode < 300 || statusCode >= 400 || statusCode === 304 || location === undefined) {
        return { status: statusCode, headers, body, url };
      }
      await body.dump();
      url = new URL(location, url).href;
    }
    throw new Error(`more than ${MAX_REDIRECTS} redirects`);
  }

  async #fetchToken(call: Call, challenge: Challenge): Promise<string> {
    const { realm = "", service, scope } = challenge.parameters;
    const url = new URL(realm);
    if (service !== undefined) url.searchParams.set("service", service);
    const wanted = scope ?? call.scope;
    if (wanted !== undefined) url.searchParams.set("scope", wanted);
    const answer = await this.#follow(
      { ...call, url: url.href, method: "GET", headers: {}, authorization: undefined },
      undefined,
    );
    const text = await answer.body.text();
    if (answer.status !== 200)
      throw statusError(`${call.what}: getting a token`, url.href, answer.status, text);
    const parsed = JSON.parse(text) as { token?: unknown; access_token?: unknown };
    const token = parsed.token ?? parsed.access_token;
    if (typeof token !== "string")
      throw statusError(`${call.what}: the token server sent no token`, url.href, answer.status, "");
    return token;
  }
}

/** 250 ms, doubled each time, at most 8 s; or what the server asks for, within the same bound. */
function retryDelay(attempt: number, retryAfter: string | undefined): number {
  const asked = retryAfter !== undefined && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  return Math.min(asked ?? FIRST_DELAY_MS * 2 ** (attempt - 1), MAX_DELAY_MS);
}
