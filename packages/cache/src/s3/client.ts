import { createHash } from "node:crypto";
import { TsbuildError } from "@tsbuild/base";
import { bodyOf, call, type HttpAnswer, type HttpBody, type HttpCall, refusal, textOf } from "../http.ts";
import { encodeKey, type S3Credentials, signed } from "./sign.ts";

export interface S3Place {
  readonly bucket: string;
  readonly region: string;
  /** Default: AWS's of the region. */
  readonly endpoint: string | undefined;
  /** Bucket in the path; else in the host name. */
  readonly pathStyle: boolean;
  /** Undefined: a public bucket. */
  readonly credentials: S3Credentials | undefined;
  readonly attempts: number;
}

export interface S3Object {
  readonly size: number;
  readonly modifiedMs: number;
}

/** What S3 takes in one request. */
const MAX_PUT_BYTES = 5 * 1024 * 1024 * 1024;
const UNSIGNED = "UNSIGNED-PAYLOAD";
/** sha256 of no bytes. */
const EMPTY = createHash("sha256").digest("hex");

interface Ask {
  readonly method: string;
  readonly key: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpBody | undefined;
  readonly payload?: string;
  readonly signal: AbortSignal | undefined;
}

/** The few calls of the S3 API that a cache needs. */
export class S3Client {
  readonly #place: S3Place;

  constructor(place: S3Place) {
    this.#place = place;
  }

  async head(key: string, signal: AbortSignal): Promise<S3Object | undefined> {
    const { asked, answer } = await this.#ask({ method: "HEAD", key, signal });
    answer.body.resume();
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw await refusal(asked, answer);
    const modified = Date.parse(answer.headers["last-modified"] ?? "");
    return { size: Number(answer.headers["content-length"] ?? 0), modifiedMs: modified };
  }

  /** A small object; undefined when there is none. */
  async read(key: string, maxBytes: number, signal: AbortSignal): Promise<string | undefined> {
    const { asked, answer } = await this.#ask({ method: "GET", key, signal });
    if (answer.status === 200) return textOf(answer, maxBytes);
    const error = await refusal(asked, answer);
    if (answer.status === 404) return undefined;
    throw error;
  }

  async *stream(key: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    const { asked, answer } = await this.#ask({ method: "GET", key, signal });
    if (answer.status !== 200) throw await refusal(asked, answer);
    yield* answer.body as AsyncIterable<Uint8Array>;
  }

  async put(key: string, body: HttpBody, signal: AbortSignal): Promise<void> {
    if (body.size > MAX_PUT_BYTES)
      throw new TsbuildError(
        "TSB_EXPORT",
        `${key} has ${body.size} bytes; an object of S3 takes 5 GiB in one request`,
        {
          hint: "make the layer smaller, or export to a registry",
        },
      );
    await this.#done({ method: "PUT", key, body, payload: UNSIGNED, signal });
  }

  async putBytes(key: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const payload = createHash("sha256").update(bytes).digest("hex");
    const headers = { "content-type": "application/json" };
    await this.#done({ method: "PUT", key, headers, body: bodyOf(bytes), payload, signal });
  }

  /** Makes an object as young as a new one, for buckets whose rules remove old ones. */
  async touch(key: string, signal: AbortSignal): Promise<void> {
    const headers = {
      "x-amz-copy-source": encodeKey(`${this.#place.bucket}/${key}`),
      "x-amz-metadata-directive": "REPLACE",
      "x-amz-meta-updated-at": new Date().toISOString(),
    };
    await this.#done({ method: "PUT", key, headers, signal });
  }

  async #done(ask: Ask): Promise<void> {
    const { asked, answer } = await this.#ask(ask);
    if (answer.status < 200 || answer.status > 299) throw await refusal(asked, answer);
    answer.body.resume();
  }

  async #ask(ask: Ask): Promise<{ readonly asked: HttpCall; readonly answer: HttpAnswer }> {
    const { method, key, headers = {}, body, payload = EMPTY, signal } = ask;
    const { region, credentials, attempts, bucket } = this.#place;
    const url = this.#url(key);
    const now = new Date();
    const sent =
      credentials === undefined
        ? headers
        : signed({ method, url, headers, payload, region, credentials, now });
    const asked = {
      what: `${method} of s3 ${bucket}/${key}`,
      method,
      url,
      headers: sent,
      body,
      signal,
      attempts,
    };
    return { asked, answer: await call(asked) };
  }

  #url(key: string): URL {
    const { bucket, region, endpoint = `https://s3.${region}.amazonaws.com`, pathStyle } = this.#place;
    const base = new URL(endpoint);
    if (!pathStyle) base.hostname = `${bucket}.${base.hostname}`;
    const folder = base.pathname.replace(/\/$/, "");
    base.pathname = `${folder}/${encodeKey(pathStyle ? `${bucket}/${key}` : key)}`;
    return base;
  }
}
