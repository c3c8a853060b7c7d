import { TsbuildError } from "@tsbuild/base";
import type { PushBlob, PushBlobOptions } from "./push-blob.ts";
import type { Target } from "./target.ts";
import { type Answer, type Call, drop, header, resolveLocation } from "./transport.ts";

/** An upload that a registry has opened: where the next request goes, and how much it has. */
export interface UploadSession {
  readonly location: string;
  readonly committedBytes: number;
  /** The smallest piece that it takes, if it says so. */
  readonly minChunkBytes: number;
}

/** What is known of an upload before its blob is. */
export interface SessionJob {
  readonly target: Target;
  readonly what: string;
  readonly blob: Pick<PushBlob, "size">;
  readonly options: PushBlobOptions;
  /** Scopes of other repositories, for a mount. */
  readonly moreScopes: readonly string[];
  /** False: it is opened once and not again, see `Call`. */
  readonly retry?: false | undefined;
}

export interface UploadJob extends SessionJob {
  readonly blob: PushBlob;
}

/** Access to the upload's own address. Credentials are the registry's: an address elsewhere gets none. */
export function uploadCall(
  job: SessionJob,
  call: Pick<Call, "url" | "method" | "headers" | "body" | "retry">,
): Call {
  const { target, what, options } = job;
  const { signal, onRetry } = options;
  return {
    what,
    access: target.access("pull,push", job.moreScopes),
    pool: "transfers",
    signal,
    onRetry,
    ...call,
  };
}

/** The last byte that the registry has, of `Range: 0-1023`; 0 for a session that has none. */
function committed(answer: Answer): number | undefined {
  const range = header(answer, "range");
  const match = /^(?:bytes=)?0-(-?\d+)$/.exec(range ?? "");
  if (match === null) return undefined;
  // `0-0` means nothing as well as one byte; whoever says it has one byte of one is told by the digest.
  const last = Number(match[1]);
  return last <= 0 ? 0 : last + 1;
}

export function sessionOf(job: SessionJob, answer: Answer, fallbackBytes: number): UploadSession {
  const location = header(answer, "location");
  if (location === undefined) {
    const { host } = new URL(answer.url);
    throw new TsbuildError("TSB_EXPORT", `${job.what}: ${host} accepts the upload but does not say where`);
  }
  const committedBytes = committed(answer) ?? fallbackBytes;
  const minimum = Number(header(answer, "oci-chunk-min-length") ?? 0);
  if (committedBytes > job.blob.size) {
    throw new TsbuildError(
      "TSB_EXPORT",
      `${job.what}: the registry has ${committedBytes} bytes of ${job.blob.size}`,
    );
  }
  return {
    location: resolveLocation(answer.url, location),
    committedBytes,
    minChunkBytes: Number.isSafeInteger(minimum) && minimum > 0 ? minimum : 0,
  };
}

/** How a session was opened: or the blob is there already, by mount. */
export type Opened =
  | { readonly type: "mounted" }
  | { readonly type: "session"; readonly session: UploadSession };

async function post(job: SessionJob, query: string): Promise<Answer> {
  const url = `${job.target.base}/blobs/uploads/${query}`;
  const body = { sizeBytes: 0, open: () => new Uint8Array() };
  return job.target.transport.send(uploadCall(job, { url, method: "POST", body, retry: job.retry }));
}

async function accepted(job: SessionJob, answer: Answer): Promise<UploadSession> {
  if (answer.status !== 202)
    throw await job.target.transport.refusal(uploadCall(job, { url: answer.url, method: "POST" }), answer);
  await drop(answer);
  return sessionOf(job, answer, 0);
}

/** Opens an upload (POST). */
export async function openUpload(job: SessionJob): Promise<UploadSession> {
  return accepted(job, await post(job, ""));
}

/** POST with a mount from another repository of the host that is known to have the blob (R007). */
export async function mountOrOpen(job: UploadJob, from: string): Promise<Opened> {
  const answer = await post(job, `?${new URLSearchParams({ mount: job.blob.digest, from })}`);
  if (answer.status !== 201) return { type: "session", session: await accepted(job, answer) };
  await drop(answer);
  return { type: "mounted" };
}

/** Tells that an upload is not gone on with. Who does not hear it drops those that nobody touches, too. */
export async function cancelUpload(job: SessionJob, session: UploadSession | undefined): Promise<void> {
  if (session === undefined) return;
  const call = uploadCall(job, { url: session.location, method: "DELETE", retry: false });
  const answer = await job.target.transport.send(call).catch(() => undefined);
  if (answer !== undefined) await drop(answer);
}

/** What the registry has of an upload (GET at its address). Undefined when it knows nothing of it any more. */
export async function uploadStatus(
  job: UploadJob,
  session: UploadSession,
): Promise<UploadSession | undefined> {
  const answer = await job.target.transport.send(uploadCall(job, { url: session.location, method: "GET" }));
  await drop(answer);
  if (answer.status !== 204 && answer.status !== 200) return undefined;
  const location = header(answer, "location") ?? session.location;
  const known = sessionOf(job, { ...answer, headers: { ...answer.headers, location } }, -1);
  return known.committedBytes < 0 ? undefined : { ...known, minChunkBytes: session.minChunkBytes };
}
