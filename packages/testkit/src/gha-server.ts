import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface GhaServer {
  /** For `url` and `url_v2`. */
  readonly url: string;
  /** A token that may write to `refs/heads/main` and read `refs/heads/other`. */
  readonly token: string;
  /** Finished entries by key. */
  readonly entries: Map<string, Buffer>;
  /** Method and path, in order. */
  readonly requests: string[];
  close(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body?: object | Buffer;
}

interface Upload {
  readonly key: string;
  bytes: Buffer;
}

/** GitHub's cache service in both of its forms: REST with blobs of its own, and Twirp with blobs behind signed addresses. */
export async function startGhaServer(): Promise<GhaServer> {
  const service = new GhaService();
  const server = createServer((request, response) => {
    service.handle(request).then(
      ({ status, body }) => {
        response.writeHead(status, {
          "content-type": Buffer.isBuffer(body) ? "application/octet-stream" : "application/json",
        });
        response.end(body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body));
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  service.url = url;
  const { token, entries, requests } = service;
  return {
    url,
    token,
    entries,
    requests,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

const TWIRP = "/twirp/github.actions.results.api.v1.CacheService/";

class GhaService {
  readonly entries = new Map<string, Buffer>();
  readonly requests: string[] = [];
  readonly token: string;
  url = "";
  readonly #uploads = new Map<string, Upload>();

  constructor() {
    const ac = JSON.stringify([
      { Scope: "refs/heads/other", Permission: 1 },
      { Scope: "refs/heads/main", Permission: 3 },
    ]);
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    this.token = [encode({ alg: "none" }), encode({ ac, exp: 4e9, nbf: 1 }), "signature"].join(".");
  }

  async handle(request: IncomingMessage): Promise<Answer> {
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
    const url = new URL(request.url ?? "/", this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    if (url.pathname.startsWith("/signed/")) return this.#signed(request, url, body);
    if (request.headers.authorization !== `Bearer ${this.token}`)
      return { status: 401, body: { message: "no token" } };
    if (url.pathname.startsWith(TWIRP))
      return this.#twirp(url.pathname.slice(TWIRP.length), JSON.parse(body.toString()));
    return this.#rest(request, url, body);
  }

  /** Exactly this key, else the newest with this beginning. */
  #find(key: string): string | undefined {
    return this.entries.has(key) ? key : [...this.entries.keys()].findLast((one) => one.startsWith(key));
  }

  #reserve(key: string): string | undefined {
    const taken = this.entries.has(key) || [...this.#uploads.values()].some((upload) => upload.key === key);
    if (taken) return undefined;
    const id = String(this.#uploads.size + this.entries.size + 1);
    this.#uploads.set(id, { key, bytes: Buffer.alloc(0) });
    return id;
  }

  #finish(id: string, size: number): boolean {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.bytes.length !== size) return false;
    this.#uploads.delete(id);
    this.entries.set(upload.key, upload.bytes);
    return true;
  }

  #twirp(method: string, asked: { readonly key: string; readonly size_bytes?: string }): Answer {
    switch (method) {
      case "GetCacheEntryDownloadURL": {
        const key = this.#find(asked.key);
        if (key === undefined) return { status: 200, body: { ok: false } };
        const address = `${this.url}signed/${encodeURIComponent(key)}?sig=1`;
        return { status: 200, body: { ok: true, signed_download_url: address, matched_key: key } };
      }
      case "CreateCacheEntry": {
        const id = this.#reserve(asked.key);
        if (id === undefined)
          return { status: 409, body: { code: "already_exists", msg: "cache entry already exists" } };
        return { status: 200, body: { ok: true, signed_upload_url: `${this.url}signed/up-${id}?sig=1` } };
      }
      default: {
        const id = [...this.#uploads].find(([, upload]) => upload.key === asked.key)?.[0] ?? "";
        return { status: 200, body: { ok: this.#finish(id, Number(asked.size_bytes)), entry_id: id } };
      }
    }
  }

  /** As Azure has it: no token, a signature in the address. */
  #signed(request: IncomingMessage, url: URL, body: Buffer): Answer {
    if (url.searchParams.get("sig") !== "1" || request.headers.authorization !== undefined)
      return { status: 403 };
    const name = decodeURIComponent(url.pathname.slice("/signed/".length));
    if (request.method === "GET") {
      const bytes = this.entries.get(name);
      return bytes === undefined ? { status: 404 } : { status: 200, body: bytes };
    }
    const upload = this.#uploads.get(name.slice("up-".length));
    if (upload === undefined || request.headers["x-ms-blob-type"] !== "BlockBlob") return { status: 400 };
    upload.bytes = body;
    return { status: 201 };
  }

  #rest(request: IncomingMessage, url: URL, body: Buffer): Answer {
    const path = url.pathname.replace("/_apis/artifactcache/", "");
    if (request.method === "GET") {
      const key = this.#find(url.searchParams.get("keys") ?? "");
      if (key === undefined) return { status: 204 };
      const address = `${this.url}signed/${encodeURIComponent(key)}?sig=1`;
      return { status: 200, body: { cacheKey: key, scope: "refs/heads/main", archiveLocation: address } };
    }
    const id = path.slice("caches/".length);
    if (request.method === "PATCH") return this.#patch(id, request, body);
    const asked = JSON.parse(body.toString()) as { readonly key: string; readonly size: number };
    if (path !== "caches") return { status: this.#finish(id, asked.size) ? 204 : 400 };
    const reserved = this.#reserve(asked.key);
    if (reserved === undefined)
      return { status: 409, body: { typeKey: "ArtifactCacheItemAlreadyExistsException" } };
    return { status: 201, body: { cacheId: Number(reserved) } };
  }

  #patch(id: string, request: IncomingMessage, body: Buffer): Answer {
    const upload = this.#uploads.get(id);
    const start = Number(/^bytes (\d+)-/.exec(request.headers["content-range"] ?? "")?.[1]);
    if (upload === undefined || start !== upload.bytes.length) return { status: 400 };
    upload.bytes = Buffer.concat([upload.bytes, body]);
    return { status: 204 };
  }
}
