import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface S3Server {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** By path, with the bucket. */
  readonly objects: Map<string, { readonly bytes: Buffer; modified: Date }>;
  /** `PUT /bucket/key`, in order. */
  readonly requests: string[];
  /** Answers this many requests with 503 first. */
  busy: number;
  close(): Promise<void>;
}

export interface S3Secret {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * An object store that speaks as much of S3 as a cache needs, with buckets in the path. It makes the signature of each request itself,
 * from AWS's description, and refuses what differs.
 */
export async function startS3Server(secret: S3Secret): Promise<S3Server> {
  const objects: S3Server["objects"] = new Map();
  const requests: string[] = [];
  const state = { busy: 0 };
  const server = createServer((request, response) => {
    handle({ objects, requests, secret, state }, request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    objects,
    requests,
    get busy() {
      return state.busy;
    },
    set busy(count: number) {
      state.busy = count;
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

interface World {
  readonly objects: S3Server["objects"];
  readonly requests: string[];
  readonly secret: S3Secret;
  readonly state: { busy: number };
}

async function handle(world: World, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>));
  const path = decodeURIComponent(request.url ?? "/");
  const refuse = (status: number, code: string) =>
    response
      .writeHead(status, { "content-type": "application/xml" })
      .end(`<Error><Code>${code}</Code></Error>`);
  if (world.state.busy > 0) {
    world.state.busy--;
    refuse(503, "SlowDown");
    return;
  }
  if (request.headers.authorization !== signatureOf(world.secret, request))
    return void refuse(403, "SignatureDoesNotMatch");
  const payload = request.headers["x-amz-content-sha256"];
  if (payload !== "UNSIGNED-PAYLOAD" && payload !== hash(body))
    return void refuse(400, "XAmzContentSHA256Mismatch");
  world.requests.push(`${request.method} ${path}`);
  answer(world, { request, response, path, body, refuse });
}

interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly body: Buffer;
  readonly refuse: (status: number, code: string) => unknown;
}

function answer({ objects }: World, { request, response, path, body, refuse }: Asked): void {
  if (request.method === "PUT") {
    const from = request.headers["x-amz-copy-source"];
    const source = typeof from === "string" ? objects.get(`/${decodeURIComponent(from)}`)?.bytes : body;
    if (source === undefined) return void refuse(404, "NoSuchKey");
    objects.set(path, { bytes: source, modified: new Date() });
    response.writeHead(200).end();
    return;
  }
  const found = objects.get(path);
  if (found === undefined) return void refuse(404, "NoSuchKey");
  const headers = { "content-length": found.bytes.length, "last-modified": found.modified.toUTCString() };
  response.writeHead(200, headers);
  response.end(request.method === "HEAD" ? undefined : found.bytes);
}

function hash(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** What the request's Authorization header has to be (S3 API, "Signature Calculations for the Authorization Header"). */
function signatureOf(
  { accessKeyId, secretAccessKey }: S3Secret,
  request: IncomingMessage,
): string | undefined {
  const given = /Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), /.exec(
    request.headers.authorization ?? "",
  );
  if (given === null) return undefined;
  const [, , day = "", region = "", names = ""] = given;
  const headers = names.split(";").map((name) => `${name}:${String(request.headers[name] ?? "").trim()}\n`);
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const canonical = [
    request.method,
    path,
    query,
    headers.join(""),
    names,
    String(request.headers["x-amz-content-sha256"]),
  ].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = `AWS4-HMAC-SHA256\n${String(request.headers["x-amz-date"])}\n${scope}\n${hash(canonical)}`;
  let key: Buffer = Buffer.from(`AWS4${secretAccessKey}`);
  for (const part of [day, region, "s3", "aws4_request"])
    key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(text).digest("hex");
  return `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
}
