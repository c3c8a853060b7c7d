import { createHash } from "node:crypto";
import { TsbuildError } from "@tsbuild/base";
import { annotatedBlobs, annotateLayers } from "../annotated-document.ts";
import { documentLimits, parseDocument, serializeDocument } from "../document.ts";
import type { CacheOptions, Env } from "../options.ts";
import type { CacheSource, CacheTarget, ImportedCache } from "../ports.ts";
import { GhaClient, type GhaPlace } from "./client.ts";
import { scopesOf } from "./token.ts";

const TEN_MINUTES_MS = 10 * 60 * 1000;

/** As buildx has it: what the flag does not say is in the environment of a workflow's step (V033). */
function placeOf(options: CacheOptions, env: Env): GhaPlace {
  const token = options.required("token", env["ACTIONS_RUNTIME_TOKEN"], "or $ACTIONS_RUNTIME_TOKEN");
  const version = options.text("version");
  if (version !== undefined && version !== "1" && version !== "2")
    throw options.fail(`version=${version} is not 1 or 2`);
  const timeoutMs = options.durationMs("timeout", TEN_MINUTES_MS);
  const v2 = options.text("url_v2") ?? (env["ACTIONS_RESULTS_URL"] || undefined);
  const v1 = options.text("url") ?? (env["ACTIONS_CACHE_URL"] || undefined);
  if (version !== "1" && v2 !== undefined) return { url: checked(options, v2), token, version: 2, timeoutMs };
  const url = checked(options, options.required("url", v1, "or $ACTIONS_RESULTS_URL, or url_v2="));
  const isNew = version === "2" || (version === undefined && url.includes("results-receiver.actions"));
  return { url, token, version: isNew ? 2 : 1, timeoutMs };
}

function checked(options: CacheOptions, url: string): string {
  if (URL.canParse(url)) return url;
  throw options.fail(`${JSON.stringify(url)} is no URL`);
}

function blobKey(digest: string): string {
  return `buildkit-blob-1-${digest}`;
}

function indexKey(name: string, scope: string): string {
  const short = createHash("sha256").update(scope).digest("hex").slice(0, 8);
  return `index-${name}-1-${short}`;
}

/** `type=gha` of --cache-from: what any scope of the token has. */
export function ghaSource(options: CacheOptions, env: Env): CacheSource {
  const place = placeOf(options, env);
  const client = new GhaClient(place);
  const name = options.text("scope") ?? "buildkit";
  return {
    title: `gha ${name}`,
    open: async (signal) => {
      const scopes = scopesOf(place.token).map(({ scope }) =>
        openScope(client, indexKey(name, scope), signal),
      );
      return (await Promise.all(scopes)).flat();
    },
  };
}

async function openScope(client: GhaClient, key: string, signal: AbortSignal): Promise<ImportedCache[]> {
  const entry = await client.find(`${key}#`, signal);
  if (entry === undefined) return [];
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of client.download(entry, signal)) {
    size += chunk.length;
    if (size > documentLimits.bytes)
      throw new TsbuildError("TSB_INTEGRITY", `the cache entry ${entry.key} is too long`);
    chunks.push(chunk);
  }
  const document = parseDocument(Buffer.concat(chunks));
  const blob: ImportedCache["blob"] = async function* ({ digest }, stop) {
    const found = await client.find(blobKey(digest), stop ?? signal);
    if (found === undefined)
      throw new TsbuildError("TSB_RESOLVE", `GitHub's cache has removed the layer ${digest}`);
    yield* client.download(found, stop);
  };
  return [{ document, blobs: annotatedBlobs(document), blob }];
}

/** `type=gha` of --cache-to: the scope that the token may write. */
export function ghaTarget(options: CacheOptions, env: Env): CacheTarget {
  const place = placeOf(options, env);
  const client = new GhaClient(place);
  const name = options.text("scope") ?? "buildkit";
  return {
    title: `gha ${name}`,
    parallelism: 2,
    send: async ({ descriptor, open }, { signal }) => {
      const key = blobKey(descriptor.digest);
      if ((await client.find(key, signal))?.key === key) return "present";
      const saved = await client.save(key, { size: descriptor.size, open: () => open(0) }, signal);
      return saved ? "uploaded" : "present";
    },
    finish: async (document, blobs, signal) => {
      const scope = scopesOf(place.token).findLast(({ writable }) => writable);
      if (scope === undefined)
        throw new TsbuildError("TSB_AUTH", "the token of the GitHub cache may not write to any scope");
      const bytes = serializeDocument(annotateLayers(document, blobs));
      await client.saveMutable(indexKey(name, scope.scope), bytes, signal);
    },
  };
}
