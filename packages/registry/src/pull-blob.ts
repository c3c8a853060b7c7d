import { TsbuildError } from "@tsbuild/base";
import { type Descriptor, formatReference, type ImageReference } from "@tsbuild/oci";
import { connectionError, isTransient } from "./failure.ts";
import type { PullOptions } from "./manifests.ts";
import { firstThatAnswers } from "./mirrors.ts";
import type { Target } from "./target.ts";
import { type Answer, type Call, drop, header, type Transport } from "./transport.ts";

/** From here on a connection of its own pays. */
const LARGE_BYTES = 4 * 1024 * 1024;

interface BlobPull {
  readonly transport: Transport;
  readonly targets: readonly Target[];
  readonly reference: ImageReference;
  readonly blob: Descriptor;
  readonly options: PullOptions;
}

/**
 * A blob's bytes as they come, at most its size; when the line breaks, the next request asks for the rest by Range (R005). Tries are
 * counted from the last byte that came.
 */
export async function* pullBlob(pull: BlobPull): AsyncGenerator<Uint8Array> {
  const { transport, blob, options } = pull;
  const what = `pulling ${blob.digest} of ${formatReference(pull.reference)}`;
  const url = pull.targets.at(-1)?.base ?? "";
  let offset = 0;
  let attempt = 0;
  while (offset < blob.size) {
    attempt += 1;
    const before = offset;
    let failure: unknown;
    try {
      for await (const chunk of await openAnywhere(pull, what, offset)) {
        const part = chunk.subarray(0, blob.size - offset);
        offset += part.length;
        yield part;
        if (part.length < chunk.length) throw tooLong(what, blob);
      }
      // A clean end before the announced size: the line was cut by something that closes politely.
      failure = shortBlob(what, blob, offset);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isTransient(error)) throw error;
      failure = error;
    }
    if (offset >= blob.size) return;
    if (offset > before) attempt = 1;
    if (attempt >= transport.patience.attempts) throw connectionError(what, url, failure);
    await transport.pause({ url, ...options }, attempt, failure);
  }
}

function shortBlob(what: string, blob: Descriptor, offset: number): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `${what}: got ${offset} of ${blob.size} bytes`);
}

function tooLong(what: string, blob: Descriptor): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `${what}: got more than its ${blob.size} bytes`);
}

async function openAnywhere(
  pull: BlobPull,
  what: string,
  offset: number,
): Promise<AsyncIterable<Uint8Array>> {
  const { targets, blob, options } = pull;
  try {
    return await firstThatAnswers(targets, (target) => openBlob(target, { what, blob, offset, options }));
  } catch (error) {
    const urls = (blob.urls ?? []).filter((url) => /^https?:\/\//.test(url));
    if (urls.length === 0 || !(error instanceof TsbuildError) || error.code !== "TSB_RESOLVE") throw error;
    // Layers that may not be distributed lie elsewhere (image-spec, descriptor.md "urls").
    return openForeign(pull, { what, urls, offset, refusal: error });
  }
}

async function openForeign(
  { transport, blob, options }: BlobPull,
  from: {
    readonly what: string;
    readonly urls: readonly string[];
    readonly offset: number;
    readonly refusal: TsbuildError;
  },
): Promise<AsyncIterable<Uint8Array>> {
  for (const url of from.urls) {
    const call: Call = {
      what: from.what,
      url,
      method: "GET",
      headers: rangeOf(from.offset),
      pool: "transfers",
      ...options,
    };
    const answer = await transport.send(call);
    if (answer.status === 200 || answer.status === 206) return bodyFrom(answer, { ...from, blob });
    await drop(answer);
  }
  throw from.refusal;
}

function rangeOf(offset: number): Record<string, string> {
  return offset > 0 ? { range: `bytes=${offset}-` } : {};
}

async function openBlob(
  target: Target,
  wanted: {
    readonly what: string;
    readonly blob: Descriptor;
    readonly offset: number;
    readonly options: PullOptions;
  },
): Promise<AsyncIterable<Uint8Array>> {
  const { what, blob, offset, options } = wanted;
  const { reuse, ...others } = options;
  const call: Call = {
    what,
    isLarge: reuse === true && blob.size - offset >= LARGE_BYTES,
    url: `${target.base}/blobs/${blob.digest}`,
    method: "GET",
    headers: rangeOf(offset),
    access: target.access("pull"),
    pool: "transfers",
    ...others,
  };
  const answer = await target.transport.send(call);
  if (answer.status !== 200 && answer.status !== 206) throw await target.transport.refusal(call, answer);
  return bodyFrom(answer, wanted);
}

async function bodyFrom(
  answer: Answer,
  { what, blob, offset }: { readonly what: string; readonly blob: Descriptor; readonly offset: number },
): Promise<AsyncIterable<Uint8Array>> {
  // The server cannot resume: what is here already is read over.
  if (answer.status === 200) return offset === 0 ? answer.body : skip(answer.body, offset);
  const range = header(answer, "content-range") ?? "";
  const [, start, , total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(range) ?? [];
  if (Number(start) === offset && (total === "*" || Number(total) === blob.size)) return answer.body;
  // undici reports what is cut off as an error of the body, which nobody reads any more.
  answer.body.on("error", () => undefined).destroy();
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `${what}: asked for bytes ${offset}- of ${blob.size}, got ${range === "" ? "an unnamed range" : JSON.stringify(range)}`,
  );
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
