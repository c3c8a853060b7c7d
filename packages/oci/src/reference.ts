import { type Digest, isDigest, TsbuildError } from "@tsbuild/base";

declare const brand: unique symbol;
/** A fully normalised reference: `docker.io/library/debian:bookworm[@sha256:…]`. */
export type ImageName = string & { readonly [brand]: "ImageName" };

/** An image name taken apart (distribution's grammar, reference.go of the distribution project). */
export interface ImageReference {
  /** `docker.io`, `localhost:5000`. */
  readonly host: string;
  /** `library/debian`. */
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::\d+)?$/;

function invalid(text: string, why: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `invalid image name ${JSON.stringify(text)}: ${why}`, {
    hint: "write it as [HOST[:PORT]/]NAME[:TAG][@sha256:…], all lower case, e.g. registry.example.com/team/app:1.0",
  });
}

/** The host is what stands before the first `/` if it looks like one (a dot, a port, localhost); else it is Docker Hub. */
function splitHost(name: string): { host: string; rest: string } {
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const isHost =
    first !== "" && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  if (!isHost) return { host: "docker.io", rest: name };
  return { host: first === "index.docker.io" ? "docker.io" : first, rest: name.slice(slash + 1) };
}

/**
 * Parses and normalises an image name (D065): no host means `docker.io`, no namespace there means `library/`.
 * A missing tag stays missing when there is a digest, else becomes `latest`. Throws TSB_USAGE.
 */
export function parseReference(text: string): ImageReference {
  const at = text.indexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest))
    throw invalid(text, "the part after @ is not sha256:<64 hex digits>");
  let name = at < 0 ? text : text.slice(0, at);
  let tag: string | undefined;
  const colon = name.lastIndexOf(":");
  if (colon > name.lastIndexOf("/")) {
    tag = name.slice(colon + 1);
    name = name.slice(0, colon);
    if (!TAG.test(tag))
      throw invalid(text, `the tag ${JSON.stringify(tag)} may hold letters, digits, _ . - only`);
  }
  if (name === "") throw invalid(text, "it is empty");
  const { host, rest } = splitHost(name);
  if (!HOST.test(host)) throw invalid(text, `${JSON.stringify(host)} is not a host name`);
  const repository = host === "docker.io" && !rest.includes("/") ? `library/${rest}` : rest;
  if (!REPOSITORY.test(repository)) {
    const why =
      repository.toLowerCase() === repository
        ? `the repository ${JSON.stringify(rest)} is malformed`
        : "the repository must be lower case";
    throw invalid(text, why);
  }
  return { host, repository, tag: tag ?? (digest === undefined ? "latest" : undefined), digest };
}

/** `docker.io/library/debian:bookworm@sha256:…`. */
export function formatReference(reference: ImageReference): ImageName {
  const tag = reference.tag === undefined ? "" : `:${reference.tag}`;
  const digest = reference.digest === undefined ? "" : `@${reference.digest}`;
  return `${reference.host}/${reference.repository}${tag}${digest}` as ImageName;
}

/** As people write it: without `docker.io/` and `library/`. */
export function familiarName(reference: ImageReference): string {
  return shownName(formatReference(reference));
}

/** The same of a name that is text already. */
export function shownName(name: string): string {
  return name.replace(/^docker\.io\/(?:library\/)?/, "");
}
