import { parseChallenges } from "./challenge.ts";
import type { Credential, CredentialSource } from "./credentials/types.ts";
import { type AskTokenServer, basicHeader, fetchToken, loginOf } from "./tokens.ts";

/** On whose behalf a request goes, and what it wants. */
export interface Access {
  /** Host whose credentials count. */
  readonly host: string;
  readonly repository: string;
  /** `repository:team/app:pull,push` (R003). */
  readonly scopes: readonly string[];
}

interface Entry {
  readonly header: string;
  readonly expiresAtMs: number;
}

interface Challenged {
  readonly what: string;
  /** The registry's own URL, which has answered 401. */
  readonly url: string;
  readonly access: Access;
  readonly header: string | undefined;
  /** The header that was sent and refused. */
  readonly used: string | undefined;
}

/** Shorter than the shortest life, so that a token outlives the request it is sent with. */
const EARLY_MS = 10_000;

function keyOf(url: string, { host, repository, scopes }: Access): string {
  return [new URL(url).origin, host, repository, ...scopes.toSorted()].join(" ");
}

/** `repository:x:pull` is within `repository:x:pull,push`. */
function covers(wide: string, narrow: string): boolean {
  const split = (scope: string): [string, string[]] => {
    const colon = scope.lastIndexOf(":");
    return [scope.slice(0, colon), scope.slice(colon + 1).split(",")];
  };
  const [wideName, wideActions] = split(wide);
  const [name, actions] = split(narrow);
  return wideName === name && actions.every((action) => wideActions.includes(action));
}

/** What the request needs, and what the challenge names beyond that (insufficient_scope; mirrors that call the repository otherwise). */
function union(scopes: readonly string[], named: readonly string[]): string[] {
  const more = named.filter((scope) => scope !== "" && !scopes.some((own) => covers(own, scope)));
  return [...scopes, ...new Set(more)];
}

/** Answers challenges, and remembers the answers per origin and scopes. Credentials never go to another origin (R002, R003). */
export class Authorizer {
  readonly #credentials: CredentialSource;
  readonly #ask: AskTokenServer;
  readonly #allowsPlain: (host: string) => boolean;
  readonly #now: () => number;
  readonly #entries = new Map<string, Promise<Entry | undefined>>();
  readonly #problems = new Map<string, string>();
  readonly #logins = new Map<string, string>();

  constructor(options: {
    readonly credentials: CredentialSource;
    readonly ask: AskTokenServer;
    readonly allowsPlain: (host: string) => boolean;
    readonly now: () => number;
  }) {
    this.#credentials = options.credentials;
    this.#ask = options.ask;
    this.#allowsPlain = options.allowsPlain;
    this.#now = options.now;
  }

  /** What was good enough last time, while it lasts. */
  async known(url: string, access: Access): Promise<string | undefined> {
    const entry = await this.#entries.get(keyOf(url, access))?.catch(() => undefined);
    return entry === undefined || entry.expiresAtMs <= this.#now() ? undefined : entry.header;
  }

  /** Why stored credentials of a host were of no use, for the error that a refusal becomes. */
  problem(host: string): string | undefined {
    return this.#problems.get(host);
  }

  /** Who a host was told that this is, if anyone: what it refuses nevertheless may be the password. */
  login(host: string): string | undefined {
    return this.#logins.get(host);
  }

  /** A header that may satisfy the challenge. Undefined: there is none, or it was refused already. Throws TSB_AUTH. */
  async answer(challenged: Challenged): Promise<string | undefined> {
    const key = keyOf(challenged.url, challenged.access);
    // Others may have asked meanwhile: a token for each request at the start of a push would be many.
    const running = this.#entries.get(key);
    const current = await running?.catch(() => undefined);
    if (current !== undefined && current.header !== challenged.used && current.expiresAtMs > this.#now())
      return current.header;
    if (running !== undefined && this.#entries.get(key) !== running) return this.answer(challenged);
    const started = this.#make(challenged);
    this.#entries.set(key, started);
    started.catch(() => this.#entries.delete(key));
    const entry = await started;
    return entry?.header === challenged.used ? undefined : entry?.header;
  }

  async #make(challenged: Challenged): Promise<Entry | undefined> {
    const challenges = parseChallenges(challenged.header ?? "");
    const { host, repository, scopes } = challenged.access;
    const found = await this.#credentials.find(host, repository);
    if (found.problem !== undefined) this.#problems.set(host, found.problem);
    const { credential } = found;
    if (credential !== undefined) this.#logins.set(host, loginOf(credential));
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer === undefined) return basicEntry(challenges, credential);
    if (credential?.type === "bearer") return { header: `Bearer ${credential.token}`, expiresAtMs: Infinity };
    const wanted = union(scopes, (bearer.parameters["scope"] ?? "").split(" "));
    const { what, url: registryUrl } = challenged;
    const request = {
      what,
      challenge: bearer,
      scopes: wanted,
      credential,
      registryUrl,
      problem: found.problem,
    };
    const token = await fetchToken({ ...request, allowsPlain: this.#allowsPlain }, this.#ask);
    const lifeMs = token.lifeS * 1000;
    const expiresAtMs = this.#now() + Math.max(lifeMs - EARLY_MS, lifeMs / 2);
    return { header: `Bearer ${token.value}`, expiresAtMs };
  }
}

function basicEntry(
  challenges: readonly { readonly scheme: string }[],
  credential: Credential | undefined,
): Entry | undefined {
  const isBasic = challenges.some(({ scheme }) => scheme === "basic");
  if (!isBasic || credential?.type !== "password") return undefined;
  return { header: basicHeader(credential), expiresAtMs: Infinity };
}
