import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { sha256 } from "@tsbuild/base";
import type { Abilities, Fault } from "./registry.ts";

interface UploadRequest {
  readonly url: URL;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
  readonly abilities: Abilities;
}

const PATH = /^\/v2\/(.+)\/blobs\/uploads\/([^/]*)$/;

/** Blob uploads of the in-process registry: POST (with mount), PATCH by place, PUT, GET for what has come. */
export class Uploads {
  readonly #blobs: Map<string, Uint8Array>;
  readonly #open = new Map<string, Buffer>();

  constructor(blobs: Map<string, Uint8Array>) {
    this.#blobs = blobs;
  }

  takes(method: string, path: string): boolean {
    return PATH.test(path) && ["POST", "PATCH", "PUT", "GET", "DELETE"].includes(method);
  }

  async answer(request: UploadRequest): Promise<void> {
    const { url, incoming, response } = request;
    const [, repository = "", id = ""] = PATH.exec(url.pathname) ?? [];
    if (incoming.method === "POST") {
      this.#start(request, repository);
      return;
    }
    const sofar = this.#open.get(id);
    if (sofar === undefined) {
      refuse(response, 404, "BLOB_UPLOAD_UNKNOWN");
      return;
    }
    if (incoming.method === "DELETE") {
      this.#open.delete(id);
      response.writeHead(204).end();
      return;
    }
    if (incoming.method === "GET") {
      response.writeHead(204, this.#place(repository, id)).end();
      return;
    }
    if (!startsAt(incoming, sofar.length)) {
      response.writeHead(416, this.#place(repository, id)).end();
      return;
    }
    if (!(await this.#receive(request, id, sofar))) return;
    if (incoming.method === "PATCH") response.writeHead(202, this.#place(repository, id)).end();
    else this.#finish(request, id);
  }

  #start({ url, incoming, response, abilities }: UploadRequest, repository: string): void {
    incoming.resume();
    const mount = url.searchParams.get("mount");
    if (mount !== null && abilities.mount && this.#blobs.has(mount)) {
      response.writeHead(201, { location: `/v2/${repository}/blobs/${mount}` }).end();
      return;
    }
    const id = randomUUID();
    this.#open.set(id, Buffer.alloc(0));
    const minimum = abilities.minChunkBytes;
    const more = minimum === undefined ? {} : { "oci-chunk-min-length": String(minimum) };
    response.writeHead(202, { ...this.#place(repository, id), ...more }).end();
  }

  #place(repository: string, id: string): Record<string, string> {
    const size = this.#open.get(id)?.length ?? 0;
    // Relative, as the specification allows.
    return { location: `/v2/${repository}/blobs/uploads/${id}?state=x`, range: `0-${Math.max(0, size - 1)}` };
  }

  async #receive({ incoming, response, fault }: UploadRequest, id: string, sofar: Buffer): Promise<boolean> {
    const limit = fault?.type === "hang-up" ? fault.afterBytes : Number.POSITIVE_INFINITY;
    const chunks = [sofar];
    let size = 0;
    const keep = (): void => void this.#open.set(id, Buffer.concat(chunks));
    try {
      for await (const chunk of incoming) {
        const part = (chunk as Buffer).subarray(0, limit - size);
        size += part.length;
        chunks.push(part);
        if (size >= limit) break;
      }
    } catch {
      // The sender has gone: what has come is kept, as registries do.
      keep();
      return false;
    }
    keep();
    if (fault?.type === "hang-up") {
      response.destroy();
      return false;
    }
    return true;
  }

  #finish({ url, response }: UploadRequest, id: string): void {
    const bytes = this.#open.get(id) ?? Buffer.alloc(0);
    const digest = sha256(bytes);
    if (url.searchParams.get("digest") !== digest) {
      refuse(response, 400, "DIGEST_INVALID");
      return;
    }
    this.#open.delete(id);
    this.#blobs.set(digest, bytes);
    response.writeHead(201, { "docker-content-digest": digest }).end();
  }
}

function startsAt(incoming: IncomingMessage, size: number): boolean {
  const range = /^(\d+)-\d+$/.exec(String(incoming.headers["content-range"] ?? ""));
  return range === null || Number(range[1]) === size;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response
    .writeHead(status)
    .end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }));
}
