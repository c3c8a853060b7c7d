import { createHash, createHmac } from "node:crypto";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

export interface SignRequest {
  readonly method: string;
  readonly url: URL;
  /** Signed as well; lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Hex digest of the body, or `UNSIGNED-PAYLOAD`. */
  readonly payload: string;
  readonly region: string;
  readonly credentials: S3Credentials;
  readonly now: Date;
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text, "utf8").digest();
}

function hash(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** RFC 3986, as AWS wants it: also `!'()*` are escaped. */
export function encodeKey(text: string): string {
  const escaped = (letter: string) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`;
  return text
    .split("/")
    .map((part) => encodeURIComponent(part).replace(/[!'()*]/g, escaped))
    .join("/");
}

function canonicalQuery(url: URL): string {
  const pairs = [...url.searchParams].map(([key, value]) => [
    encodeKey(key).replaceAll("/", "%2F"),
    encodeKey(value).replaceAll("/", "%2F"),
  ]);
  return pairs
    .map(([key, value]) => `${key}=${value}`)
    .sort()
    .join("&");
}

/** Headers with a signature, version 4 (AWS General Reference, "Signature Version 4"; S3 API, "Authenticating Requests"). */
export function signed({
  method,
  url,
  headers,
  payload,
  region,
  credentials,
  now,
}: SignRequest): Record<string, string> {
  const stamp = now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const day = stamp.slice(0, 8);
  const { accessKeyId, secretAccessKey, sessionToken } = credentials;
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    "x-amz-content-sha256": payload,
    "x-amz-date": stamp,
    ...(sessionToken === undefined ? {} : { "x-amz-security-token": sessionToken }),
  };
  const names = Object.keys(all).sort();
  const lines = names.map((name) => `${name}:${(all[name] ?? "").trim().replace(/ +/g, " ")}\n`).join("");
  const request = [method, url.pathname, canonicalQuery(url), lines, names.join(";"), payload].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", stamp, scope, hash(request)].join("\n");
  const key = hmac(hmac(hmac(hmac(`AWS4${secretAccessKey}`, day), region), "s3"), "aws4_request");
  const signature = hmac(key, text).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
  return { ...all, authorization };
}
