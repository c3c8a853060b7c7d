import { type Digest, hideCredentials, isDigest, sha256, TsbuildError } from "@tsbuild/base";
import type { Downloader, Validators } from "@tsbuild/registry";
import type { OpContext } from "@tsbuild/solver";
import type { Store } from "@tsbuild/store";
import type { FetchedFile, FetchOptions, HttpFetcher } from "../environment.ts";
import { withProgress } from "../progress.ts";

interface Remembered extends Validators {
  readonly digest: string;
  readonly modifiedMs?: number | undefined;
  readonly fileName: string;
}

/** A URL with a login stands for itself alone, and is not written down. */
function memoKey(url: string): string {
  return hideCredentials(url) === url ? url : sha256(url);
}

function remembered(store: Store, url: string): (Remembered & { readonly digest: Digest }) | undefined {
  const bytes = store.memo.get("http", memoKey(url));
  if (bytes === undefined) return undefined;
  const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as Remembered;
  const { digest } = value;
  return isDigest(digest) && store.blobs.has(digest) ? { ...value, digest } : undefined;
}

function offlineFile(url: string, known: ReturnType<typeof remembered>): FetchedFile {
  if (known !== undefined)
    return { digest: known.digest, modifiedMs: known.modifiedMs, fileName: known.fileName };
  throw new TsbuildError(
    "TSB_RESOLVE",
    `${hideCredentials(url)} was not downloaded before, and the build is offline`,
    {
      hint: `build once without --offline: ${new URL(url).host} would be asked`,
    },
  );
}

/** Downloads into the store, asking servers whether what is there is still good; validators hold for their own URL only (V019). */
export function createHttpFetcher(store: Store, downloader: Downloader): HttpFetcher {
  return {
    fetch: async (url, context: OpContext, options: FetchOptions = {}): Promise<FetchedFile> => {
      const known = remembered(store, url);
      if (options.offline) return offlineFile(url, known);
      const validators = { etag: known?.etag, lastModified: known?.lastModified };
      const answer = await downloader.get(url, {
        validators,
        signal: context.signal,
        authorization: options.authorization,
      });
      if (answer.type === "unchanged" && known !== undefined) {
        return { digest: known.digest, modifiedMs: known.modifiedMs, fileName: known.fileName };
      }
      if (answer.type === "unchanged")
        throw new Error(
          `assertion failed: ${hideCredentials(url)} answered "not modified" to an unconditional request`,
        );
      const body = withProgress(answer.body, context, { id: hideCredentials(url), total: answer.sizeBytes });
      const { digest } = await store.blobs.ingest(body);
      const time =
        answer.validators.lastModified === undefined
          ? Number.NaN
          : Date.parse(answer.validators.lastModified);
      const modifiedMs = Number.isNaN(time) ? undefined : time;
      const value: Remembered = { ...answer.validators, digest, modifiedMs, fileName: answer.fileName };
      store.memo.set("http", memoKey(url), Buffer.from(JSON.stringify(value)));
      return { digest, modifiedMs, fileName: answer.fileName };
    },
  };
}

export { checkDownload } from "./checksum.ts";
export { downloadLogin } from "./login.ts";
