import { setTimeout as sleep } from "node:timers/promises";
import { type Digest, isDigest, limits, sha256, TsbuildError } from "@tsbuild/base";
import { type Descriptor, formatReference, type ImageReference, mediaTypes } from "@tsbuild/oci";
import { connectionError, isTransient, statusError } from "./failure.ts";
import { type Endpoint, endpointsOf, type HostConfigs } from "./hosts.ts";
import { type Answer, header, Transport } from "./transport.ts";

/** A manifest or index with its exact bytes. */
export interface FetchedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Pulls from registries that speak the OCI distribution protocol (distribution-spec; FEATURES section 6). */
export interface RegistryClient {
  /**
   * Gets what a tag or digest names; mirrors are tried first. By digest, other bytes than the digest's are refused (TSB_INTEGRITY).
   * Rejects with TSB_RESOLVE (not found, unreachable) or TSB_AUTH.
   */
  manifest(
    reference: ImageReference,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<FetchedManifest>;
  /**
   * A blob's bytes as they come, resumed by Range when the line breaks. Not verified here: whoever stores them checks digest and size.
   */
  blob(
    reference: ImageReference,
    blob: Descriptor,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

const ACCEPT = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
  "*/*;q=0.1",
].join(", ");

const BLOB_ATTEMPTS = 5;

interface Where {
  readonly what: string;
  readonly reference: ImageReference;
  readonly signal?: AbortSignal | undefined;
}

export function createRegistryClient(options: { readonly hosts: HostConfigs }): RegistryClient {
  const transport = new Transport();
  const endpoints = (reference: ImageReference): Endpoint[] => endpointsOf(reference.host, options.hosts);
  return {
    manifest: (reference, { signal } = {}) =>
      firstThatAnswers(endpoints(reference), (endpoint) =>
        fetchManifest(transport, endpoint, {
          what: `resolving ${formatReference(reference)}`,
          reference,
          signal,
        }),
      ),
    blob: (reference, blob, { signal } = {}) =>
      fetchBlob(transport, endpoints(reference), blob, {
        what: `pulling ${blob.digest} of ${formatReference(reference)}`,
        reference,
        signal,
      }),
    close: () => transport.close(),
  };
}

/**
 * The first endpoint that has it. A mirror that lacks something is no error; when nobody has it, the error of the registry itself
 * counts, with the mirrors' as its cause.
 */
async function firstThatAnswers<T>(
  endpoints: readonly Endpoint[],
  ask: (endpoint: Endpoint) => Promise<T>,
): Promise<T> {
  const failures: unknown[] = [];
  for (const endpoint of endpoints) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (!(error instanceof TsbuildError) || error.code === "TSB_INTEGRITY") throw error;
      failures.push(error);
    }
  }
  const last = failures.at(-1);
  if (!(last instanceof TsbuildError) || failures.length === 1) throw last;
  const mirrors = failures
    .slice(0, -1)
    .map((error) => (error instanceof Error ? error.message : String(error)));
  throw new TsbuildError(last.code, `${last.message}; before that, ${mirrors.join("; ")}`, {
    hint: last.hint,
    cause: last,
  });
}

async function fetchManifest(
  transport: Transport,
  endpoint: Endpoint,
  where: Where,
): Promise<FetchedManifest> {
  const { reference, what, signal } = where;
  const name = reference.digest ?? reference.tag ?? "latest";
  const url = `${endpoint.url}/v2/${reference.repository}/manifests/${name}`;
  const scope = `repository:${reference.repository}:pull`;
  const answer = await transport.send({
    what,
    url,
    method: "GET",
    headers: { accept: ACCEPT },
    scope,
    signal,
  });
  const bytes = await readBounded(answer, what);
  if (answer.status !== 200) throw statusError(what, url, answer.status, Buffer.from(bytes).toString("utf8"));
  const digest = sha256(bytes);
  const expected = reference.digest ?? header(answer, "docker-content-digest");
  if (expected !== undefined && isDigest(expected) && expected !== digest) {
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `${what}: ${new URL(url).host} sent a manifest with digest ${digest} instead of ${expected}`,
      {
        hint: "the registry or something between is broken, or someone tampers with it",
      },
    );
  }
  return { digest, mediaType: (header(answer, "content-type") ?? "").split(";")[0] ?? "", bytes };
}

async function readBounded(answer: Answer, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limits.manifestBytes)
      throw new TsbuildError(
        "TSB_INTEGRITY",
        `${what}: the manifest is larger than ${limits.manifestBytes} bytes`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function* fetchBlob(
  transport: Transport,
  endpoints: readonly Endpoint[],
  blob: Descriptor,
  where: Where,
): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let attempt = 1; ; attempt++) {
    try {
      const body = await firstThatAnswers(endpoints, (endpoint) =>
        openBlob(transport, endpoint, { blob, offset, where }),
      );
      for await (const chunk of body) {
        offset += chunk.length;
        yield chunk;
      }
      if (offset >= blob.size) return;
      // A clean end before the announced size: the line was cut by something that closes politely.
      if (attempt === BLOB_ATTEMPTS) throw shortBlob(where, blob, offset);
    } catch (error) {
      where.signal?.throwIfAborted();
      if (attempt === BLOB_ATTEMPTS || !isTransient(error)) {
        throw error instanceof TsbuildError
          ? error
          : connectionError(where.what, endpoints.at(-1)?.url ?? "", error);
      }
    }
    await sleep(200 * 2 ** attempt, undefined, { signal: where.signal });
  }
}

function shortBlob(where: Where, blob: Descriptor, offset: number): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `${where.what}: got ${offset} of ${blob.size} bytes`);
}

async function openBlob(
  transport: Transport,
  endpoint: Endpoint,
  request: { readonly blob: Descriptor; readonly offset: number; readonly where: Where },
): Promise<AsyncIterable<Uint8Array>> {
  const { blob, offset, where } = request;
  const { what, reference, signal } = where;
  const url = `${endpoint.url}/v2/${reference.repository}/blobs/${blob.digest}`;
  const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
  const scope = `repository:${reference.repository}:pull`;
  const answer = await transport.send({ what, url, method: "GET", headers, scope, signal });
  if (answer.status === 206 && !(header(answer, "content-range") ?? "").startsWith(`bytes ${offset}-`)) {
    await answer.body.dump();
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `${what}: asked for bytes from ${offset}, got ${header(answer, "content-range") ?? "an unnamed range"}`,
    );
  }
  if (answer.status === 206 || (answer.status === 200 && offset === 0)) return answer.body;
  // The server cannot resume: read over what is there already.
  if (answer.status === 200) return skip(answer.body, offset);
  throw statusError(what, url, answer.status, await answer.body.text());
}

async function* skip(body: AsyncIterable<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const chunk of body) {
    if (left >= chunk.length) {
      left -= chunk.length;
      continue;
    }
    yield left > 0 ? chunk.subarray(left) : chunk;
    left = 0;
  }
}
