import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { TsbuildError } from "@tsbuild/base";
import { bodyOf, call, type HttpBody, type HttpCall, refusal, textOf } from "../http.ts";

export interface GhaPlace {
  readonly url: string;
  readonly token: string;
  /** 1: the REST service of old runners; 2: Twirp, with blobs in Azure. */
  readonly version: 1 | 2;
  readonly timeoutMs: number;
}

/** An entry that was found: where its bytes are. */
export interface GhaEntry {
  readonly key: string;
  readonly url: string;
}

/** GitHub wants to know what an entry was made of; this is what BuildKit says. */
const VERSION = createHash("sha256").update("|go-actionscache-1.0").digest("hex");
const ANSWER_BYTES = 64 * 1024;
const CHUNK_BYTES = 32 * 1024 * 1024;

type Json = Readonly<Record<string, unknown>>;

/** GitHub's cache service: entries are written once and never changed. */
export class GhaClient {
  readonly #place: GhaPlace;

  constructor(place: GhaPlace) {
    this.#place = place;
  }

  /** The entry with this key, else the newest whose key begins with it. */
  async find(key: string, signal: AbortSignal): Promise<GhaEntry | undefined> {
    const found =
      this.#place.version === 2 ? await this.#findV2(key, signal) : await this.#findV1(key, signal);
    if (found === undefined || typeof found.url !== "string" || typeof found.key !== "string")
      return undefined;
    return { key: found.key, url: found.url };
  }

  async #findV1(key: string, signal: AbortSignal): Promise<{ key: unknown; url: unknown } | undefined> {
    const url = this.#v1(`cache?keys=${encodeURIComponent(key)}&version=${VERSION}`);
    const asked = this.#call("looking for a cache entry", "GET", url, { signal });
    const answer = await call(asked);
    if (answer.status === 204 || answer.status === 404) {
      answer.body.resume();
      return undefined;
    }
    if (answer.status !== 200) throw await refusal(asked, answer);
    const text = await textOf(answer, ANSWER_BYTES);
    const { cacheKey, archiveLocation } = text === "" ? ({} as Json) : parse(text);
    return { key: cacheKey, url: archiveLocation };
  }

  async #findV2(key: string, signal: AbortSignal): Promise<{ key: unknown; url: unknown } | undefined> {
    const { status, body } = await this.#twirp(
      "GetCacheEntryDownloadURL",
      { key, restore_keys: [key], version: VERSION },
      signal,
    );
    if (status !== 200 || body["ok"] !== true) return undefined;
    return { key: body["matched_key"], url: body["signed_download_url"] };
  }

  async *download(entry: GhaEntry, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    // The address is signed: the token is not for whoever keeps the blobs.
    const asked = {
      what: `reading the cache entry ${entry.key}`,
      method: "GET",
      url: new URL(entry.url),
      headers: {},
      signal,
    };
    const answer = await call(asked);
    if (answer.status !== 200) throw await refusal(asked, answer);
    yield* answer.body as AsyncIterable<Uint8Array>;
  }

  /** Writes an entry. False when there is one with this key already, or one is being written. */
  async save(key: string, body: HttpBody, signal: AbortSignal): Promise<boolean> {
    return this.#place.version === 2 ? this.#saveV2(key, body, signal) : this.#saveV1(key, body, signal);
  }

  async #saveV1(key: string, body: HttpBody, signal: AbortSignal): Promise<boolean> {
    const reserve = this.#json(
      "reserving a cache entry",
      this.#v1("caches"),
      { key, version: VERSION },
      signal,
    );
    const answer = await call(reserve);
    if (answer.status === 409) {
      answer.body.resume();
      return false;
    }
    if (answer.status < 200 || answer.status > 299) {
      const error = await refusal(reserve, answer);
      if (/already ?exists/i.test(error.message)) return false;
      throw error;
    }
    const reserved = parse(await textOf(answer, ANSWER_BYTES));
    const id = String(reserved["cacheID"] ?? reserved["cacheId"]);
    await this.#sendChunks(id, body, signal);
    await this.#must(
      this.#json("finishing a cache entry", this.#v1(`caches/${id}`), { size: body.size }, signal),
    );
    return true;
  }

  async #sendChunks(id: string, body: HttpBody, signal: AbortSignal): Promise<void> {
    let start = 0;
    for await (const chunk of inChunks(body.open(), CHUNK_BYTES)) {
      const range = `bytes ${start}-${start + chunk.length - 1}/*`;
      const headers = { "content-type": "application/octet-stream", "content-range": range };
      const more = { signal, headers, body: bodyOf(chunk) };
      await this.#must(this.#call("sending a cache entry", "PATCH", this.#v1(`caches/${id}`), more));
      start += chunk.length;
    }
  }

  async #saveV2(key: string, body: HttpBody, signal: AbortSignal): Promise<boolean> {
    const created = await this.#twirp("CreateCacheEntry", { key, version: VERSION }, signal);
    const said = JSON.stringify(created.body);
    if (created.status === 409 || /already.?exists/i.test(said)) return false;
    const target = created.body["signed_upload_url"];
    if (created.status !== 200 || created.body["ok"] !== true || typeof target !== "string")
      throw new TsbuildError(
        "TSB_EXPORT",
        `GitHub reserves no cache entry: ${created.status} ${said.slice(0, 300)}`,
      );
    const headers = { "x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02" };
    const url = new URL(target);
    await this.#must({ what: `sending the cache entry ${key}`, method: "PUT", url, headers, body, signal });
    const done = { key, size_bytes: String(body.size), version: VERSION };
    const finished = await this.#twirp("FinalizeCacheEntryUpload", done, signal);
    if (finished.body["ok"] === true) return true;
    throw new TsbuildError("TSB_EXPORT", `GitHub does not finish the cache entry ${key}: ${finished.status}`);
  }

  /**
   * Entries cannot be changed, so what changes has a number behind its key, and the highest counts. A number that was reserved and not
   * written is somebody's at work, or of somebody killed: after a while the next one is taken.
   */
  async saveMutable(key: string, bytes: Uint8Array, signal: AbortSignal, waitMs = 15_000): Promise<void> {
    const deadline = Date.now() + waitMs;
    for (let skipped = 0; ; ) {
      const known = await this.find(`${key}#`, signal);
      const number = known === undefined ? 0 : Number(known.key.slice(`${key}#`.length));
      if (!Number.isSafeInteger(number))
        throw new TsbuildError("TSB_INTEGRITY", `the cache entry ${known?.key} has no number`);
      if (await this.save(`${key}#${number + 1 + skipped}`, bodyOf(bytes), signal)) return;
      if (Date.now() < deadline) await delay(Math.min(2000, waitMs / 4), undefined, { signal });
      else skipped++;
    }
  }

  async #twirp(method: string, body: Json, signal: AbortSignal): Promise<{ status: number; body: Json }> {
    const base = this.#place.url.replace(/\/+$/, "");
    const url = new URL(`${base}/twirp/github.actions.results.api.v1.CacheService/${method}`);
    const asked = this.#json(`asking GitHub's cache (${method})`, url, body, signal);
    const answer = await call(asked);
    if (answer.status === 401 || answer.status === 403) throw await refusal(asked, answer);
    const { status } = answer;
    const text = await textOf(answer, ANSWER_BYTES);
    return { status, body: text === "" ? {} : parse(text) };
  }

  #v1(path: string): URL {
    return new URL(`${this.#place.url.replace(/\/+$/, "")}/_apis/artifactcache/${path}`);
  }

  #json(what: string, url: URL, body: Json, signal: AbortSignal): HttpCall {
    const headers = { "content-type": "application/json" };
    return this.#call(what, "POST", url, {
      signal,
      headers,
      body: bodyOf(Buffer.from(JSON.stringify(body), "utf8")),
    });
  }

  #call(
    what: string,
    method: string,
    url: URL,
    more: {
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: HttpBody;
      readonly signal: AbortSignal;
    },
  ): HttpCall {
    const accept =
      this.#place.version === 1 ? "application/json;api-version=6.0-preview.1" : "application/json";
    const headers = {
      accept,
      authorization: `Bearer ${this.#place.token}`,
      "user-agent": "tsbuild",
      ...more.headers,
    };
    return { ...more, what, method, url, headers, idleMs: this.#place.timeoutMs };
  }

  async #must(asked: HttpCall): Promise<void> {
    const answer = await call(asked);
    if (answer.status < 200 || answer.status > 299) throw await refusal(asked, answer);
    answer.body.resume();
  }
}

function parse(text: string): Json {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Json;
  } catch {
    // Told below.
  }
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `GitHub's cache answers what is no JSON object: ${text.slice(0, 100)}`,
  );
}

/** The same bytes in pieces of one size. */
async function* inChunks(bytes: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let pending: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    for (let rest = chunk; rest.length > 0; ) {
      const part = rest.subarray(0, size - length);
      pending.push(Buffer.from(part));
      length += part.length;
      rest = rest.subarray(part.length);
      if (length < size) continue;
      yield Buffer.concat(pending);
      pending = [];
      length = 0;
    }
  }
  if (length > 0) yield Buffer.concat(pending);
}
