import type { Digest, Platform } from "@tsbuild/base";
import { digestHex, formatPlatform } from "@tsbuild/base";
import { familiarName, parseReference } from "@tsbuild/oci";

/**
 * A claim about one image, such as how it was built or what is in it: an in-toto predicate. Who makes one (provenance, a bill of
 * materials) hands over no more than this, in `CommittedImage.attestations`; every output then attaches it in its own form (FEATURES
 * 4.4): image outputs as an attestation manifest in an index, or as a referrer; `local` and `tar` as a file. What the claim is about (the
 * statement's subjects) is filled in there, since only an output knows the digests that it writes.
 */
export interface Attestation {
  /** URI, such as `https://slsa.dev/provenance/v1` or `https://spdx.dev/Document`. */
  readonly predicateType: string;
  /** A JSON value, or the UTF-8 text of one, which then goes in as it is. */
  readonly predicate: unknown;
  /** File in `local` and `tar` outputs, such as `provenance.json`. */
  readonly fileName: string;
  /** Image outputs only: no file is written by `local` and `tar` (X029). */
  readonly inlineOnly?: boolean | undefined;
}

/** in-toto, ResourceDescriptor: what a statement is about. */
export interface Subject {
  readonly name: string;
  readonly digest: Readonly<Record<string, string>>;
}

export const IN_TOTO_MEDIA_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v0.1";

/**
 * Bytes of an in-toto statement. Its version is 0.1, as BuildKit writes it and everything that reads BuildKit's attestations expects; a
 * predicate may have any version beneath it (X028).
 */
export function statementBytes(attestation: Attestation, subject: readonly Subject[]): Uint8Array {
  const { predicateType, predicate } = attestation;
  const head = JSON.stringify({ _type: STATEMENT_TYPE, predicateType, subject });
  const body = predicate instanceof Uint8Array ? predicate : Buffer.from(JSON.stringify(predicate));
  return Buffer.concat([Buffer.from(`${head.slice(0, -1)},"predicate":`), body, Buffer.from("}")]);
}

/** purl-spec: what a part of a path may not have, is percent-encoded; `:` is left. */
function purlPart(text: string): string {
  return encodeURIComponent(text).replaceAll("%3A", ":");
}

/** Package URL of an image (purl-spec, type docker): `pkg:docker/app@1?platform=linux%2Famd64`. */
export function imagePurl(
  name: string,
  about: { readonly platform?: Platform; readonly digest?: Digest },
): string {
  const reference = parseReference(name);
  const { digest = reference.digest, platform } = about;
  const { tag, digest: _digest, ...repository } = reference;
  const path = familiarName({ ...repository, tag: undefined, digest: undefined })
    .replace(/:latest$/, "")
    .split("/")
    .map(purlPart)
    .join("/");
  const version = tag === undefined && digest !== undefined ? "" : `@${purlPart(tag ?? "latest")}`;
  const qualifiers = [
    ...(digest === undefined ? [] : [`digest=${digest}`]),
    ...(platform === undefined ? [] : [`platform=${encodeURIComponent(formatPlatform(platform))}`]),
  ];
  return `pkg:docker/${path}${version}${qualifiers.length === 0 ? "" : `?${qualifiers.join("&")}`}`;
}

/** The subjects of an image's statements: its names, each with the digest of the manifest (X028). */
export function imageSubjects(
  names: readonly string[],
  image: { readonly platform: Platform; readonly manifest: Digest },
): readonly Subject[] {
  const digest = { sha256: digestHex(image.manifest) };
  // in-toto asks for a name; `_` is its word for one that means nothing.
  if (names.length === 0) return [{ name: "_", digest }];
  return names.map((name) => ({ name: imagePurl(name, { platform: image.platform }), digest }));
}
