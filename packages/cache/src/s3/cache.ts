import { annotatedBlobs, annotateLayers } from "../annotated-document.ts";
import { documentLimits, parseDocument, serializeDocument } from "../document.ts";
import type { CacheOptions, Env } from "../options.ts";
import type { CacheSource, CacheTarget } from "../ports.ts";
import { S3Client, type S3Place } from "./client.ts";
import type { S3Credentials } from "./sign.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Where things are in the bucket (V034): BuildKit's names. */
interface Names {
  readonly caches: readonly string[];
  manifest(name: string): string;
  blob(digest: string): string;
}

function credentials(options: CacheOptions, env: Env): S3Credentials | undefined {
  const given = options.text("access_key_id");
  const accessKeyId = given ?? env["AWS_ACCESS_KEY_ID"];
  const secretAccessKey = options.text("secret_access_key") ?? env["AWS_SECRET_ACCESS_KEY"];
  if (!accessKeyId && !secretAccessKey) return undefined;
  if (!accessKeyId || !secretAccessKey)
    throw options.fail(
      "access_key_id and secret_access_key go together",
      "or $AWS_ACCESS_KEY_ID and $AWS_SECRET_ACCESS_KEY",
    );
  // The environment's token belongs to the environment's key.
  const sessionToken =
    options.text("session_token") ?? (given === undefined ? env["AWS_SESSION_TOKEN"] : undefined);
  return { accessKeyId, secretAccessKey, sessionToken: sessionToken || undefined };
}

function placeOf(options: CacheOptions, env: Env): S3Place {
  const mode = options.text("retry_mode");
  if (mode !== undefined && mode !== "standard" && mode !== "adaptive")
    throw options.fail(`retry_mode=${JSON.stringify(mode)} is not known`, "standard or adaptive");
  const endpoint = options.text("endpoint_url");
  if (endpoint !== undefined && !URL.canParse(endpoint))
    throw options.fail(`endpoint_url=${JSON.stringify(endpoint)} is no URL`);
  return {
    bucket: options.required("bucket", env["AWS_BUCKET"], "or $AWS_BUCKET"),
    region: options.required("region", env["AWS_REGION"], "or $AWS_REGION"),
    endpoint,
    pathStyle: options.boolean("use_path_style", false),
    credentials: credentials(options, env),
    attempts: options.positive("retry_max_attempts", 4),
  };
}

function namesOf(options: CacheOptions): Names {
  const prefix = options.attrs["prefix"] ?? "";
  const manifests = options.attrs["manifests_prefix"] ?? "manifests/";
  const blobs = options.attrs["blobs_prefix"] ?? "blobs/";
  return {
    caches: (options.text("name") ?? "buildkit").split(";").filter((name) => name !== ""),
    manifest: (name) => `${prefix}${manifests}${name}`,
    blob: (digest) => `${prefix}${blobs}${digest}`,
  };
}

/** `type=s3` of --cache-from. With several names the first one there is. */
export function s3Source(options: CacheOptions, env: Env): CacheSource {
  const place = placeOf(options, env);
  const client = new S3Client(place);
  const names = namesOf(options);
  return {
    title: `s3 ${place.bucket}/${names.caches.join(";")}`,
    open: async (signal) => {
      for (const name of names.caches) {
        const text = await client.read(names.manifest(name), documentLimits.bytes, signal);
        if (text === undefined) continue;
        const document = parseDocument(Buffer.from(text, "utf8"));
        return [
          {
            document,
            blobs: annotatedBlobs(document),
            blob: ({ digest }, stop) => client.stream(names.blob(digest), stop),
          },
        ];
      }
      return [];
    },
  };
}

/** `type=s3` of --cache-to. */
export function s3Target(options: CacheOptions, env: Env): CacheTarget {
  const place = placeOf(options, env);
  const client = new S3Client(place);
  const names = namesOf(options);
  const refreshMs = options.durationMs("touch_refresh", DAY_MS);
  return {
    title: `s3 ${place.bucket}/${names.caches.join(";")}`,
    parallelism: options.positive("upload_parallelism", 4),
    send: async ({ descriptor, open }, { signal, onProgress }) => {
      const key = names.blob(descriptor.digest);
      const there = await client.head(key, signal);
      if (there?.size === descriptor.size) {
        if (Date.now() - there.modifiedMs > refreshMs) await client.touch(key, signal);
        return "present";
      }
      await client.put(key, { size: descriptor.size, open: () => counted(open(0), onProgress) }, signal);
      return "uploaded";
    },
    finish: async (document, blobs, signal) => {
      const bytes = serializeDocument(annotateLayers(document, blobs));
      for (const name of names.caches) await client.putBytes(names.manifest(name), bytes, signal);
    },
  };
}

async function* counted(
  bytes: AsyncIterable<Uint8Array>,
  onProgress: ((sent: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const chunk of bytes) {
    yield chunk;
    sent += chunk.length;
    onProgress?.(sent);
  }
}
