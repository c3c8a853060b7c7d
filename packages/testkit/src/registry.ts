import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Digest, sha256 } from "@tsbuild/base";

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
  | { readonly type: "redirect"; readonly to: string }
  /** Ignores Range and answers 200 from the beginning. */
  | { readonly type: "ignore-range" };

export interface RegistryRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An in-process registry: enough of the distribution protocol to pull, and faults on demand. */
export interface TestRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  readonly requests: readonly RegistryRequest[];
  blob(bytes: Uint8Array): Digest;
  manifest(repository: string, tag: string, document: unknown, mediaType: string): Digest;
  /** Asked for each request; undefined: answer rightly. */
  onRequest: ((request: RegistryRequest) => Fault | undefined) | undefined;
  /** When set, requests need `Bearer TOKEN`, given out by /token. */
  token: string | undefined;
  close(): Promise<void>;
}

interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly mediaType: string;
}

class InProcessRegistry implements TestRegistry {
  readonly requests: RegistryRequest[] = [];
  onRequest: TestRegistry["onRequest"];
  token: string | undefined;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #manifests = new Map<string, StoredManifest>();
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

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(incoming: IncomingMessage, response: ServerResponse): unknown {
    const request = { method: incoming.method ?? "", path: incoming.url ?? "", headers: incoming.headers };
    this.requests.push(request);
    const url = new URL(request.path, `http://${this.host}`);
    if (url.pathname === "/token") return response.end(JSON.stringify({ token: this.token }));
    const fault = this.onRequest?.(request);
    if (fault?.type === "status") return response.writeHead(fault.status, fault.headers).end(fault.body);
    if (fault?.type === "redirect") return response.writeHead(307, { location: fault.to }).end();
    if (this.token !== undefined && incoming.headers.authorization !== `Bearer ${this.token}`)
      return this.#challenge(response);
    const found = this.#find(url.pathname);
    if (found === undefined) {
      const body = { errors: [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }] };
      return response.writeHead(404).end(JSON.stringify(body));
    }
    return this.#send(request, response, { ...found, fault });
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
    const bytes = fault?.type === "corrupt" ? Buffer.alloc(what.bytes.length, 0x41) : what.bytes;
    const body = bytes.subarray(start);
    const ranged = start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, {
      "content-type": mediaType,
      "content-length": body.length,
      ...ranged,
    });
    if (fault?.type !== "cut") return response.end(body);
    return response.write(body.subarray(0, fault.afterBytes), () => response.destroy());
  }
}

export async function startRegistry(): Promise<TestRegistry> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return new InProcessRegistry(server);
}
