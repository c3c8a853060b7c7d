import { monotonicMs } from "@tsbuild/base";
import type { Target } from "./target.ts";
import { cancelUpload, openUpload, type SessionJob, type UploadSession } from "./upload-session.ts";

/** Registries forget uploads that nobody touches, after minutes at the earliest. */
const GOOD_FOR_MS = 60 * 1000;

/** What is left at the end of a build that has failed. */
const CANCEL_WITHIN_MS = 1000;

interface Opened {
  readonly job: SessionJob;
  /** Undefined: it could not be opened, as whoever needs one will find and tell. */
  readonly session: Promise<UploadSession | undefined>;
  readonly atMs: number;
}

/** Uploads that were opened while what they are for was still being made. */
export class OpenedUploads {
  readonly #opened = new Map<string, Opened[]>();

  /** Sees to it that so many wait. Never fails. */
  open(target: Target, count: number): void {
    const waiting = this.#opened.get(target.base) ?? [];
    this.#opened.set(target.base, waiting);
    const fresh = waiting.filter(isFresh).length;
    for (let missing = count - fresh; missing > 0; missing--) waiting.push(opened(target));
  }

  /** One that waits, for one blob. */
  async take(target: Target): Promise<UploadSession | undefined> {
    const waiting = this.#opened.get(target.base) ?? [];
    const at = waiting.findIndex(isFresh);
    if (at < 0) return undefined;
    const [first] = waiting.splice(at, 1);
    return first?.session;
  }

  /** Tells the registry that those which nobody took are not needed. Never fails. */
  async cancel(target: Target): Promise<void> {
    const left = this.#opened.get(target.base) ?? [];
    this.#opened.delete(target.base);
    await Promise.all(left.map((one) => cancel(one, undefined)));
  }

  /** Likewise of all, when there was no push: not worth waiting for long. */
  async cancelAll(): Promise<void> {
    const left = [...this.#opened.values()].flat();
    this.#opened.clear();
    if (left.length === 0) return;
    const signal = AbortSignal.timeout(CANCEL_WITHIN_MS);
    await Promise.all(left.map((one) => cancel(one, signal)));
  }
}

function isFresh({ atMs }: Opened): boolean {
  return monotonicMs() - atMs <= GOOD_FOR_MS;
}

async function cancel({ job, session }: Opened, signal: AbortSignal | undefined): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  signal?.addEventListener("abort", () => resolve(undefined));
  await cancelUpload({ ...job, options: { signal } }, await Promise.race([session, late]));
}

function opened(target: Target): Opened {
  // How large the blob will be nobody knows yet.
  const blob = { size: Number.POSITIVE_INFINITY };
  const what = "opening an upload";
  const job: SessionJob = { target, what, blob, options: {}, moreScopes: [], retry: false };
  const session = openUpload(job).catch(() => undefined);
  return { job, session, atMs: monotonicMs() };
}
