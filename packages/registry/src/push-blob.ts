import { type Digest, TsbuildError } from "@tsbuild/base";
import { connectionError, isTransient, isTransientStatus } from "./failure.ts";
import type { CallOptions } from "./manifests.ts";
import type { Target } from "./target.ts";
import { type Answer, type Call, drop } from "./transport.ts";
import {
  cancelUpload,
  mountOrOpen,
  openUpload,
  sessionOf,
  type UploadJob,
  type UploadSession,
  uploadCall,
  uploadStatus,
} from "./upload-session.ts";

/** Bytes to push, readable from any place on: an upload that breaks goes on where the registry has got to. */
export interface PushBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Bytes from `offset` to the end. The memory of a chunk may be used again when the next one is asked for. */
  readonly open: (offset: number) => AsyncIterable<Uint8Array>;
  /** Repositories of the same host that are known to have it, the likeliest first. */
  readonly mountFrom?: readonly string[] | undefined;
  /** Nobody here knows of it on that host, so most likely it has to be sent: that is not asked first. */
  readonly isNew?: boolean | undefined;
}

export interface PushBlobOptions extends CallOptions {
  /** Bytes that the registry has taken, with repetitions. */
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
  /** Pieces of at most so many bytes (R008). Default: the whole blob in one request. */
  readonly chunkBytes?: number | undefined;
}

export type PushedBlob = "present" | "mounted" | "uploaded";

/** Sent without a question: the answer takes as long as the bytes. */
const UNASKED_BYTES = 64 * 1024;
/**
 * Sent without a question where an upload waits for them already, as a question would be all that is waited for; and in one request, as containerd sends all: a far registry answers once instead of twice. A larger one goes by PATCH, of which more registries
 * keep what has come when the line breaks.
 */
const ONE_REQUEST_BYTES = 1024 * 1024;

/** Sessions opened for one blob before giving up: each but the first follows one that the registry has lost or spoilt. */
const MAX_SESSIONS = 3;

export async function blobExists(
  target: Target,
  digest: Digest,
  options: CallOptions & Pick<Call, "what" | "retry" | "pool"> & { readonly actions: "pull" | "pull,push" },
): Promise<boolean> {
  const { actions, ...rest } = options;
  const url = `${target.base}/blobs/${digest}`;
  const call: Call = { url, method: "HEAD", access: target.access(actions), pool: "transfers", ...rest };
  const answer = await target.transport.send(call);
  if (answer.status === 200) {
    await drop(answer);
    return true;
  }
  if (answer.status === 404) {
    await drop(answer);
    return false;
  }
  throw await target.transport.refusal(call, answer);
}

/** Uploads a blob that the repository does not have yet: HEAD, mount, else upload (R007–R009). */
export async function pushBlob(
  target: Target,
  blob: PushBlob,
  options: PushBlobOptions & {
    readonly what: string;
    /** An upload that waits for a blob, if there is one. */
    readonly waiting: () => Promise<UploadSession | undefined>;
  },
): Promise<PushedBlob> {
  const { what, waiting, ...rest } = options;
  const job: UploadJob = { target, what, blob, options: rest, moreScopes: [] };
  const opened = await (blob.isNew === true ? openForNew(job, waiting) : openMissing(job));
  return typeof opened === "string" ? opened : uploadInSessions(job, opened);
}

function isThere({ target, what, blob, options: { signal, onRetry } }: UploadJob): Promise<boolean> {
  return blobExists(target, blob.digest, { what, signal, onRetry, actions: "pull,push" });
}

async function openMissing(job: UploadJob): Promise<"present" | "mounted" | UploadSession> {
  return (await isThere(job)) ? "present" : openFirst(job);
}

/** Asks and opens an upload at the same time: a far registry is waited for once. */
async function openForNew(
  job: UploadJob,
  waiting: () => Promise<UploadSession | undefined>,
): Promise<"present" | UploadSession> {
  const session = await waiting();
  const unasked = session === undefined ? UNASKED_BYTES : ONE_REQUEST_BYTES;
  const opening = session === undefined ? openUpload(job) : Promise.resolve(session);
  if (job.blob.size <= unasked) return opening;
  // Awaited below, unless the question is answered with a failure or a yes.
  opening.catch(() => undefined);
  if (!(await isThere(job))) return opening;
  await cancelUpload(job, await opening.catch(() => undefined));
  return "present";
}

/** A mount that is refused (no right to read there) is no failure: the blob is uploaded then. */
async function openFirst(job: UploadJob): Promise<"mounted" | UploadSession> {
  const [from] = job.blob.mountFrom?.filter((repository) => repository !== job.target.repository) ?? [];
  if (from !== undefined) {
    try {
      const opened = await mountOrOpen({ ...job, moreScopes: [`repository:${from}:pull`] }, from);
      return opened.type === "mounted" ? "mounted" : opened.session;
    } catch (error) {
      if (!(error instanceof TsbuildError)) throw error;
    }
  }
  return openUpload(job);
}

async function uploadInSessions(job: UploadJob, first: UploadSession): Promise<PushedBlob> {
  let session = first;
  for (let count = 1; ; count++) {
    const outcome = await uploadInSession(job, session, count === 1 ? onlyStep(job, session) : undefined);
    if (outcome === "done") return "uploaded";
    if (count === MAX_SESSIONS) throw outcome;
    session = await openUpload(job);
  }
}

interface Step {
  readonly session: UploadSession;
  readonly start: number;
  readonly end: number;
  /** This request closes the upload. */
  readonly isLast: boolean;
}

function nextStep(job: UploadJob, session: UploadSession): Step {
  const { blob, options } = job;
  const start = session.committedBytes;
  const chunk =
    options.chunkBytes === undefined ? blob.size : Math.max(options.chunkBytes, session.minChunkBytes);
  const end = Math.min(blob.size, start + Math.max(1, chunk));
  return { session, start, end, isLast: start === blob.size };
}

/** The first step of the first upload, all there is in one request. Whatever goes wrong with that, the others are smaller. */
function onlyStep(job: UploadJob, session: UploadSession): Step | undefined {
  const step = nextStep(job, session);
  const fits = step.start === 0 && step.end === job.blob.size && step.end <= ONE_REQUEST_BYTES;
  return fits ? { ...step, isLast: true } : undefined;
}

type Outcome =
  | { readonly type: "done" }
  | { readonly type: "sent"; readonly session: UploadSession }
  /** The session is of no use any more. */
  | { readonly type: "lost"; readonly failure: TsbuildError }
  /** Worth another try after `wait`. */
  | {
      readonly type: "broken";
      readonly failure: TsbuildError;
      readonly wait: (attempt: number) => Promise<void>;
    };

/** Sends what is missing and closes the upload. Gives the error for which another session is worth a try. */
async function uploadInSession(
  job: UploadJob,
  opened: UploadSession,
  only: Step | undefined,
): Promise<"done" | TsbuildError> {
  const { attempts } = job.target.transport.patience;
  let session = opened;
  let first = only;
  for (let attempt = 1; attempt <= attempts; ) {
    const step = first ?? nextStep(job, session);
    first = undefined;
    const outcome = await sendStep(job, step);
    if (outcome.type === "done") return "done";
    if (outcome.type === "lost") return outcome.failure;
    let known: UploadSession | "done" | undefined;
    if (outcome.type === "sent") known = outcome.session;
    else {
      if (attempt === attempts) throw outcome.failure;
      await outcome.wait(attempt);
      known = await resumed(job, session);
      if (known === undefined) return outcome.failure;
    }
    if (known === "done") return "done";
    // Tries are counted from the last byte that arrived.
    attempt = known.committedBytes > step.start ? 1 : attempt + 1;
    session = { ...known, minChunkBytes: Math.max(known.minChunkBytes, session.minChunkBytes) };
  }
  return stuck(job, session);
}

async function sendStep(job: UploadJob, step: Step): Promise<Outcome> {
  const { transport } = job.target;
  const { isLast } = step;
  const call = isLast ? finishCall(job, step) : patchCall(job, step);
  let answer: Answer;
  try {
    answer = await transport.send(call);
  } catch (error) {
    job.options.signal?.throwIfAborted();
    const cause = error instanceof TsbuildError ? error.cause : error;
    if (!isTransient(cause)) throw error;
    const failure = connectionError(job.what, call.url, cause);
    return { type: "broken", failure, wait: (attempt) => transport.pause(call, attempt, cause) };
  }
  // 201 says that the blob is stored; any other success of the last request may be somebody else's.
  const isTaken = isLast
    ? answer.status === 201 || answer.status === 204
    : answer.status >= 200 && answer.status < 300;
  if (isTaken) {
    await drop(answer);
    return isLast ? { type: "done" } : { type: "sent", session: sessionOf(job, answer, step.end) };
  }
  const failure = await transport.refusal(call, answer);
  if (isTransientStatus(answer.status))
    return {
      type: "broken",
      failure,
      wait: (attempt) => transport.pauseAfter(call, attempt, { answer, failure }),
    };
  // A session that is gone, or whose place in the blob is not ours (416), or bytes that got spoilt on the way.
  if ([400, 404, 416].includes(answer.status)) return { type: "lost", failure };
  throw failure;
}

/** Where to go on after a failure: the upload may even be complete, with only its answer lost. */
async function resumed(job: UploadJob, session: UploadSession): Promise<UploadSession | "done" | undefined> {
  const known = await uploadStatus(job, session);
  if (known !== undefined) return known;
  return (await isThere(job)) ? "done" : undefined;
}

function stuck(job: UploadJob, session: UploadSession): TsbuildError {
  const { host } = new URL(session.location);
  return new TsbuildError(
    "TSB_EXPORT",
    `${job.what}: ${host} takes bytes and still has ${session.committedBytes} of ${job.blob.size}`,
  );
}

/** One piece. Its place is named (Content-Range) except when it is all there is: then it is sent as docker push does. */
function patchCall(job: UploadJob, { session, start, end }: Step): Call {
  const whole = start === 0 && end === job.blob.size;
  return uploadCall(job, {
    url: session.location,
    method: "PATCH",
    headers: {
      "content-type": "application/octet-stream",
      ...(whole ? {} : { "content-range": `${start}-${end - 1}` }),
    },
    body: { sizeBytes: end - start, open: () => piece(job, start, end) },
    retry: false,
  });
}

async function* piece(job: UploadJob, start: number, end: number): AsyncGenerator<Uint8Array> {
  let at = start;
  if (at === end) return;
  for await (const chunk of job.blob.open(start)) {
    job.options.signal?.throwIfAborted();
    const part = chunk.subarray(0, end - at);
    at += part.length;
    job.options.onProgress?.(at);
    yield part;
    if (at === end) return;
  }
}

function finishCall(job: UploadJob, { session, start, end }: Step): Call {
  const url = new URL(session.location);
  // Appended as text: what is there already may be signed, byte for byte.
  const separator = url.search === "" ? "?" : "&";
  const query = `${separator}digest=${encodeURIComponent(job.blob.digest)}`;
  return uploadCall(job, {
    url: `${session.location}${query}`,
    method: "PUT",
    headers: { "content-type": "application/octet-stream" },
    body:
      start === end
        ? { sizeBytes: 0, open: () => new Uint8Array() }
        : { sizeBytes: end - start, open: () => piece(job, start, end) },
    retry: false,
  });
}
