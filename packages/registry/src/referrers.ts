import { type Digest, digestHex, sha256, TsbuildError } from "@tsbuild/base";
import { type Descriptor, type ImageReference, type Index, mediaTypes, parseIndex } from "@tsbuild/oci";
import {
  type CallOptions,
  type FetchedManifest,
  fetchManifest,
  putManifest,
  readBounded,
} from "./manifests.ts";
import type { Target } from "./target.ts";
import { type Call, drop, header } from "./transport.ts";

/** The tag under which registries without the API keep an index of referrers (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  return `sha256-${digestHex(subject)}`;
}

/** Follows Link headers so far; more pages are nonsense or an attack. */
const MAX_PAGES = 100;

function nextPage(base: string, link: string | undefined): string | undefined {
  const match = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link ?? "");
  if (match?.[1] === undefined) return undefined;
  const next = new URL(match[1], base);
  return next.origin === new URL(base).origin ? next.href : undefined;
}

/** The API's answer; undefined when the registry does not have it. */
async function byApi(
  target: Target,
  subject: Digest,
  options: CallOptions,
): Promise<Descriptor[] | undefined> {
  const found: Descriptor[] = [];
  let url: string | undefined = `${target.base}/referrers/${subject}`;
  for (let page = 0; url !== undefined && page < MAX_PAGES; page++) {
    const what = `listing what refers to ${target.repository}@${subject}`;
    const call: Call = {
      what,
      url,
      method: "GET",
      headers: { accept: mediaTypes.ociIndex },
      access: target.access("pull"),
      ...options,
    };
    const answer = await target.transport.send(call);
    const type = (header(answer, "content-type") ?? "").split(";")[0]?.trim();
    // 404 without the API; some answer 200 with a page of their own.
    if (answer.status === 404 || (answer.status === 200 && type !== mediaTypes.ociIndex)) {
      await drop(answer);
      return undefined;
    }
    if (answer.status !== 200) throw await target.transport.refusal(call, answer);
    found.push(...parseIndex(await readBounded(answer, what)).manifests);
    url = nextPage(answer.url, header(answer, "link"));
  }
  return found;
}

async function fallbackIndex(
  target: Target,
  reference: ImageReference,
  options: CallOptions,
): Promise<Index | undefined> {
  const call: Call = {
    what: "",
    url: `${target.base}/manifests/${reference.tag}`,
    method: "HEAD",
    // Docker's registry says 404 to whoever does not name the type of an index.
    headers: { accept: mediaTypes.ociIndex },
    access: target.access("pull"),
    ...options,
  };
  const answer = await target.transport.send({
    ...call,
    what: `resolving ${reference.repository}:${reference.tag}`,
  });
  await drop(answer);
  if (answer.status === 404) return undefined;
  const { bytes } = await fetchManifest(target, reference, options);
  return parseIndex(bytes);
}

/** Manifests whose subject is `subject` (R010): the API's list, else that of the fallback tag. */
export async function listReferrers(
  target: Target,
  wanted: {
    readonly reference: ImageReference;
    readonly subject: Digest;
    readonly artifactType?: string | undefined;
  },
  options: CallOptions,
): Promise<readonly Descriptor[]> {
  const { subject, artifactType } = wanted;
  const tagged = { ...wanted.reference, digest: undefined, tag: referrersTag(subject) };
  const found =
    (await byApi(target, subject, options)) ??
    (await fallbackIndex(target, tagged, options))?.manifests ??
    [];
  // Registries need not filter, so it is always done here.
  return found.filter((entry) => artifactType === undefined || entry.artifactType === artifactType);
}

/**
 * Pushes a manifest that names `subject`. Where the registry does not say that it has listed it (OCI-Subject), it is added to the index
 * at the fallback tag, which every client of such a registry reads.
 */
export async function attachReferrer(
  target: Target,
  wanted: {
    readonly reference: ImageReference;
    readonly subject: Digest;
    readonly manifest: FetchedManifest;
    readonly artifactType: string;
    readonly annotations?: Record<string, string> | undefined;
  },
  options: CallOptions,
): Promise<void> {
  const { subject, manifest, artifactType, annotations } = wanted;
  const what = `pushing ${target.repository}@${manifest.digest}`;
  const put = await putManifest(target, manifest, { ...options, name: manifest.digest, what });
  if (put.subject === subject) return;
  const tag = referrersTag(subject);
  const old = await fallbackIndex(target, { ...wanted.reference, digest: undefined, tag }, options);
  const entry: Descriptor = {
    mediaType: manifest.mediaType,
    digest: manifest.digest,
    size: manifest.bytes.length,
    artifactType,
    ...(annotations === undefined ? {} : { annotations }),
  };
  const others = (old?.manifests ?? []).filter(({ digest }) => digest !== entry.digest);
  const index: Index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [...others, entry] };
  const bytes = Buffer.from(JSON.stringify(index));
  if (bytes.length > 4 * 1024 * 1024)
    throw new TsbuildError("TSB_EXPORT", `${what}: the list at ${tag} would be larger than registries take`);
  const listed = { digest: sha256(bytes), mediaType: mediaTypes.ociIndex, bytes };
  await putManifest(target, listed, { ...options, name: tag, what: `pushing ${target.repository}:${tag}` });
}
