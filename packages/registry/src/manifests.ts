import { type Digest, isDigest, limits, sha256, TsbuildError } from "@tsbuild/base";
import { formatReference, type ImageReference, mediaTypes } from "@tsbuild/oci";
import type { RetryNotice } from "./retry.ts";
import type { Target } from "./target.ts";
import { type Answer, type Call, drop, header } from "./transport.ts";

/** A manifest or index with its exact bytes. */
export interface FetchedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** What a HEAD tells. */
export interface ResolvedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told before each wait for another try. */
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

/** For a blob. */
export interface PullOptions extends CallOptions {
  /** Who reads is done with a piece when it asks for the next: its memory is used again. */
  readonly reuse?: boolean | undefined;
}

const ACCEPT = [
  mediaTypes.ociIndex,
  mediaTypes.ociManifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
  "*/*;q=0.1",
].join(", ");

function nameOf(reference: ImageReference): string {
  return reference.digest ?? reference.tag ?? "latest";
}

function call(target: Target, method: "GET" | "HEAD", reference: ImageReference, options: CallOptions): Call {
  const what = `resolving ${formatReference(reference)}`;
  const url = `${target.base}/manifests/${nameOf(reference)}`;
  return { what, url, method, headers: { accept: ACCEPT }, access: target.access("pull"), ...options };
}

function typeOf(answer: Answer): string {
  return (header(answer, "content-type") ?? "").split(";")[0]?.trim() ?? "";
}

export async function fetchManifest(
  target: Target,
  reference: ImageReference,
  options: CallOptions,
): Promise<FetchedManifest> {
  const asked = call(target, "GET", reference, options);
  const { answer, bytes } = await wholeManifest(target, asked);
  const digest = sha256(bytes);
  const expected = reference.digest ?? header(answer, "docker-content-digest");
  if (expected !== undefined && isDigest(expected) && expected !== digest) {
    const { host } = new URL(answer.url);
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `${asked.what}: ${host} sent a manifest with digest ${digest} instead of ${expected}`,
      { hint: "the registry or something between is broken, or someone tampers with it" },
    );
  }
  return { digest, mediaType: typeOf(answer), bytes };
}

/** Asks again when the connection breaks within the body. */
async function wholeManifest(
  target: Target,
  asked: Call,
): Promise<{ readonly answer: Answer; readonly bytes: Uint8Array }> {
  const { transport } = target;
  return transport.repeated(asked, async () => {
    const answer = await transport.send(asked);
    if (answer.status !== 200) throw await transport.refusal(asked, answer);
    return { answer, bytes: await readBounded(answer, asked.what) };
  });
}

/**
 * HEAD: the digest of a name, which rate limits do not count (R005, R011). Undefined when the registry does not tell it. Tried once: who
 * gets no answer asks by GET, which is patient.
 */
export async function headManifest(
  target: Target,
  reference: ImageReference,
  options: CallOptions,
): Promise<ResolvedManifest | undefined> {
  const asked: Call = { ...call(target, "HEAD", reference, options), retry: false };
  const answer = await target.transport.send(asked);
  if (answer.status !== 200) throw await target.transport.refusal(asked, answer);
  await drop(answer);
  const digest = header(answer, "docker-content-digest");
  return digest === undefined || !isDigest(digest) ? undefined : { digest, mediaType: typeOf(answer) };
}

/** PUT under a tag or the manifest's digest. Throws TSB_INTEGRITY when the registry says it has stored something else. */
export async function putManifest(
  target: Target,
  manifest: FetchedManifest,
  options: CallOptions & { readonly name: string; readonly what: string },
): Promise<{ readonly subject: string | undefined }> {
  const { name, what, ...rest } = options;
  const { bytes } = manifest;
  const asked: Call = {
    what,
    url: `${target.base}/manifests/${name}`,
    method: "PUT",
    headers: { "content-type": manifest.mediaType },
    body: { sizeBytes: bytes.length, open: () => bytes },
    access: target.access("pull,push"),
    ...rest,
  };
  const answer = await target.transport.send(asked);
  const stored = header(answer, "docker-content-digest");
  // A 200 alone may be anybody's, such as the page that a proxy sent the request on to.
  const isStored =
    answer.status === 201 || (answer.status >= 200 && answer.status < 300 && stored !== undefined);
  if (!isStored) throw await target.transport.refusal(asked, answer);
  await drop(answer);
  if (stored !== undefined && stored !== manifest.digest) {
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `${what}: the registry says it stored ${stored}, not ${manifest.digest}`,
    );
  }
  return { subject: header(answer, "oci-subject") };
}

export async function readBounded(answer: Answer, what: string): Promise<Uint8Array> {
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
