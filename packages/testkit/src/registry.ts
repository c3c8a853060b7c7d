import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Digest, sha256 } from "@tsbuild/base";
import { Uploads } from "./registry-uploads.ts";

/** What a fault script may do to one request, in place of the right answer. */
export type Fault =
  | {
      readonly type: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
    }
  /** Cuts the connection after this many bytes of the body. */
  | { readonly type: "cut"; readonly afterBytes: number }
  /** Sends other bytes of the same length. */
  | { readonly type: "corrupt" }
  /** The same, other only from this byte on: what comes before is right. */
  | { readonly type: "corrupt-tail"; readonly afterBytes: number }
  /** Ends in good order after this many bytes, having announced no length. */
  | { readonly type: "short"; readonly afterBytes: number }
  /** Sends the body in this many pieces, each a moment after the one before. */
  | { readonly type: "slow"; readonly pieces: number }
  | { readonly type: "redirect"; readonly to: string }
  /** Ignores Range and answers 200 from the beginning. */
  | { readonly type: "ignore-range" }
  /** Sends bytes behind the end that the size of the document promises; without Content-Length. */
  | { readonly type: "endless" }
  /** Announces another length than that of the body. */
  | { readonly type: "wrong-length"; readonly by: number }
  /** Answers 206 for another place than the one asked for. */
  | { readonly type: "lying-range" }
  /** Takes the request and never answers. */
  | { readonly type: "silent" }
  /** Closes the connection without an answer, after this many bytes of the request's body have come (and been kept). */
  | { readonly type: "hang-up"; readonly afterBytes: number }
  /** The right answer with other headers. */
  | { readonly type: "headers"; readonly headers: Readonly<Record<string, string>> };

export interface RegistryRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An in-process registry: the distribution protocol to pull and push, and faults on demand. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly requests: readonly RegistryRequest[];
  blob(bytes: Uint8Array): Digest;
  manifest(repository: string, tag: string, document: unknown, mediaType: string): Digest;
  /** Bytes of what was put here, by tag or digest. */
  manifestBytes(repository: string, name: string): Uint8Array | undefined;
  /** Bytes of a blob that some repository has. */
  blobBytes(digest: Digest): Uint8Array | undefined;
  /** What a registry does beyond pulling and plain pushing. */
  abilities: Abilities;
  /** Asked for each request; undefined: answer rightly. */
  onRequest: ((request: RegistryRequest) => Fault | undefined) | undefined;
  /** When set, requests need `Bearer TOKEN`, given out by /token. */
  token: string | undefined;
  close(): Promise<void>;
}

export interface Abilities {
  /** Mounts blobs from other repositories. */
  readonly mount: boolean;
  /** Has the referrers API. */
  readonly referrers: boolean;
  /** OCI-Chunk-Min-Length. */
  readonly minChunkBytes: number | undefined;
}

interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

class InProcessRegistry implements TestRegistry {
  readonly requests: RegistryRequest[] = [];
  onRequest: TestRegistry["onRequest"];
  token: string | undefined;
  abilities: Abilities = { mount: true, referrers: false, minChunkBytes: undefined };
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #manifests = new Map<string, StoredManifest>();
  readonly #uploads = new Uploads(this.#blobs);
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    server.on("request", (request, response) => this.#answer(request, response));
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  blob(bytes: Uint8Array): Digest {
    const digest = sha256(bytes);
    this.#blobs.set(digest, bytes);
    return digest;
  }

  manifest(repository: string, tag: string, document: unknown, mediaType: string): Digest {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = sha256(bytes);
    for (const name of [tag, digest]) this.#manifests.set(`${repository} ${name}`, { bytes, mediaType });
    return digest;
  }

  manifestBytes(repository: string, name: string): Uint8Array | undefined {
    return this.#manifests.get(`${repository} ${name}`)?.bytes;
  }

  blobBytes(digest: Digest): Uint8Array | undefined {
    return this.#blobs.get(digest);
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): unknown {
    const request = { method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers };
    this.requests.push(request);
    const url = new URL(request.path, `http://${this.host}`);
    const fault = this.onRequest?.(request);
    if (fault?.type === "status") return response.writeHead(fault.status, fault.headers).end(fault.body);
    if (fault?.type === "silent") return undefined;
    if (fault?.type === "redirect") return response.writeHead(307, { location: fault.to }).end();
    if (url.pathname === "/token") return response.end(JSON.stringify({ token: this.token }));
    if (this.token !== undefined && incoming.headers.authorization !== `Bearer ${this.token}`)
      return this.#challenge(response);
    if (fault?.type === "headers")
      for (const [name, value] of Object.entries(fault.headers)) response.setHeader(name, value);
    if (url.pathname === "/v2/") return response.end("{}");
    if (this.#uploads.takes(request.method, url.pathname))
      return void this.#uploads.answer({ url, incoming, response, fault, abilities: this.abilities });
    if (request.method === "PUT") return void this.#putManifest(incoming, response, url.pathname);
    if (url.pathname.includes("/referrers/") && this.abilities.referrers)
      return this.#referrers(response, url.pathname);
    const found = this.#find(url.pathname);
    if (found === undefined || !isAccepted(found, request)) {
      const body = { errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] };
      return response.writeHead(404).end(JSON.stringify(body));
    }
    return this.#send(request, response, { ...found, fault });
  }

  async #putManifest(incoming: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const [, repository, name] = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(path) ?? [];
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    const missing = this.#missing(repository ?? "", bytes);
    if (missing !== undefined) {
      const body = { errors: [{ code: "MANIFEST_BLOB_UNKNOWN", message: `blob unknown: ${missing}` }] };
      response.writeHead(404).end(JSON.stringify(body));
      return;
    }
    const digest = sha256(bytes);
    const mediaType = incoming.headers["content-type"] ?? "";
    for (const key of [name, digest]) this.#manifests.set(`${repository} ${key}`, { bytes, mediaType });
    const { subject } = JSON.parse(bytes.toString("utf8")) as { subject?: { digest: string } };
    const listed = this.abilities.referrers && subject !== undefined ? { "oci-subject": subject.digest } : {};
    response.writeHead(201, { "docker-content-digest": digest, ...listed }).end();
  }

  /** What a manifest names and nobody has pushed: then it is refused, as registries do. */
  #missing(repository: string, bytes: Uint8Array): string | undefined {
    const document = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      readonly config?: { readonly digest?: string };
      readonly layers?: readonly { readonly digest: string }[];
      readonly manifests?: readonly { readonly digest: string }[];
    };
    const blobs = [document.config?.digest, ...(document.layers ?? []).map(({ digest }) => digest)];
    const children = (document.manifests ?? []).map(({ digest }) => digest);
    return (
      blobs.find((digest) => digest !== undefined && !this.#blobs.has(digest)) ??
      children.find((digest) => !this.#manifests.has(`${repository} ${digest}`))
    );
  }

  #referrers(response: ServerResponse, path: string): unknown {
    const subject = path.split("/").pop();
    const manifests = [...this.#manifests].flatMap(([key, { bytes, mediaType }]) => {
      const document = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
        readonly subject?: { readonly digest: string };
        readonly artifactType?: string;
      };
      const digest = sha256(bytes);
      if (document.subject?.digest !== subject || !key.endsWith(digest)) return [];
      return [{ mediaType, digest, size: bytes.length, artifactType: document.artifactType }];
    });
    const index = { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests };
    return response.writeHead(200, { "content-type": index.mediaType }).end(JSON.stringify(index));
  }

  #challenge(response: ServerResponse): ServerResponse {
    const parameters = `realm="http://${this.host}/token",service="test",scope="repository:x:pull"`;
    return response.writeHead(401, { "www-authenticate": `Bearer ${parameters}` }).end();
  }

  #find(path: string): StoredManifest | undefined {
    const manifest = /^\/v2\/(.+)\/manifests\/([^/]+)$/.exec(path);
    if (manifest !== null) return this.#manifests.get(`${manifest[1]} ${manifest[2]}`);
    const blob = this.#blobs.get(/^\/v2\/.+\/blobs\/([^/]+)$/.exec(path)?.[1] ?? "");
    return blob === undefined ? undefined : { bytes: blob, mediaType: "application/octet-stream" };
  }

  #send(
    request: RegistryRequest,
    response: ServerResponse,
    what: StoredManifest & { readonly fault: Fault | undefined },
  ): unknown {
    const { fault, mediaType } = what;
    const range = /^bytes=(\d+)-$/.exec(String(request.headers["range"] ?? ""));
    const start = range === null || fault?.type === "ignore-range" ? 0 : Number(range[1]);
    if (request.method === "HEAD") {
      const size = what.bytes.length;
      const digest = sha256(what.bytes);
      response.writeHead(200, {
        "content-type": mediaType,
        "content-length": size,
        "docker-content-digest": digest,
      });
      return response.end();
    }
    const bytes = spoilt(what.bytes, fault);
    const body = bytes.subarray(start);
    if (what.mediaType.endsWith("json")) response.setHeader("docker-content-digest", sha256(what.bytes));
    if (fault?.type === "endless") {
      response.writeHead(200, { "content-type": mediaType });
      response.write(bytes);
      return response.end(Buffer.alloc(1024 * 1024));
    }
    if (fault?.type === "short") {
      response.writeHead(start > 0 ? 206 : 200, { "content-type": mediaType });
      return response.end(body.subarray(0, fault.afterBytes));
    }
    if (fault?.type === "lying-range") {
      const range = `bytes ${start + 1}-${bytes.length - 1}/${bytes.length}`;
      return response
        .writeHead(206, { "content-type": mediaType, "content-range": range })
        .end(body.subarray(1));
    }
    if (fault?.type === "wrong-length") {
      const length = Math.max(0, body.length + fault.by);
      response.strictContentLength = false;
      response.writeHead(start > 0 ? 206 : 200, { "content-type": mediaType, "content-length": length });
      return response.write(body, () => response.destroy());
    }
    const ranged = start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, {
      "content-type": mediaType,
      "content-length": body.length,
      ...ranged,
    });
    if (fault?.type === "slow") return void trickle(response, body, fault.pieces);
    if (fault?.type !== "cut") return response.end(body);
    return response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
  }
}

/** As docker's registry has it: an OCI index is there only for who names its type. */
function isAccepted({ mediaType }: StoredManifest, { headers }: RegistryRequest): boolean {
  if (mediaType !== "application/vnd.oci.image.index.v1+json") return true;
  return String(headers.accept ?? "").includes(mediaType);
}

function spoilt(bytes: Uint8Array, fault: Fault | undefined): Uint8Array {
  if (fault?.type === "corrupt") return Buffer.alloc(bytes.length, 0x41);
  if (fault?.type !== "corrupt-tail") return bytes;
  return Buffer.from(bytes).fill(0x41, Math.min(fault.afterBytes, bytes.length - 1));
}

async function trickle(response: ServerResponse, body: Uint8Array, pieces: number): Promise<void> {
  const size = Math.max(1, Math.ceil(body.length / pieces));
  for (let at = 0; at < body.length; at += size) {
    response.write(body.subarray(at, at + size));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  response.end();
}

export async function startRegistry(): Promise<TestRegistry> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return new InProcessRegistry(server);
}
