import { formatPlatform, isDigest, type Platform, TsbuildError } from "@tsbuild/base";
import type { SourceName, SourceRules } from "@tsbuild/ops";
import { EMPTY_LOCK, LOCK_NAME, type LockContent } from "./lock-file.ts";
import { applyPolicy, type PolicyRule } from "./policy.ts";

export type { SourceName, SourceRules };

export interface RulesOptions {
  readonly policy: readonly PolicyRule[];
  readonly mode: "locked" | "update" | undefined;
}

const IMAGE = "docker-image://";

function withoutUser(url: string): string {
  return url.replace(/^(https?:\/\/)[^/]*@/i, "$1");
}

/** What a lock file says, or is to say, of a source; undefined for one that cannot change. */
function lockable({
  identifier,
  attrs,
}: SourceName): { readonly kind: "http" | "git"; readonly name: string } | undefined {
  // The lock is for everybody who has the sources: no passwords in it.
  if (/^https?:\/\//.test(identifier))
    return attrs["http.checksum"] === undefined ? { kind: "http", name: withoutUser(identifier) } : undefined;
  if (!identifier.startsWith("git://")) return undefined;
  const ref = /#([^:]*)/.exec(identifier)?.[1] ?? "";
  if (/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref)) return undefined;
  const url = withoutUser(attrs["git.fullurl"] ?? identifier.split("#", 1)[0] ?? "");
  return { kind: "git", name: ref === "" ? url : `${url}#${ref}` };
}

function notLocked(name: string): TsbuildError {
  return new TsbuildError("TSB_RESOLVE", `${name} is not in ${LOCK_NAME}, and the build is --locked`, {
    hint: "add it: tsbuild build --update-lock …",
  });
}

/** The source policy and the lock file of one build: which source is read for the one that is named, and what it was. */
export class BuildRules implements SourceRules {
  readonly #options: RulesOptions;
  #lock: LockContent | undefined;
  readonly #images = new Map<string, Map<string, string>>();
  /** By identifier, whether a lock could have it or not. */
  readonly #values = new Map<string, string>();
  readonly #others = { http: new Map<string, string>(), git: new Map<string, string>() };
  /** Images as the graph has them, name and digest, with the name that they were really resolved by. */
  readonly #converted = new Map<string, string>();

  constructor(options: RulesOptions) {
    this.#options = options;
  }

  /** From here on names mean what the lock says. Sources that are asked for before (the context itself) are not in it. */
  useLock(lock: LockContent | undefined): void {
    this.#lock = lock ?? EMPTY_LOCK;
  }

  apply(source: SourceName): SourceName {
    const known = this.#converted.get(source.identifier);
    const allowed = applyPolicy(
      this.#options.policy,
      known === undefined ? source : { ...source, identifier: known },
    );
    return this.#pinned(allowed, source);
  }

  #pinned(allowed: SourceName, named: SourceName): SourceName {
    const entry = lockable(named);
    if (entry === undefined || this.#lock === undefined || this.#options.mode === "update") return allowed;
    const value = this.#lock[entry.kind][entry.name];
    if (value === undefined) {
      if (this.#options.mode === "locked") throw notLocked(entry.name);
      return allowed;
    }
    const pin =
      entry.kind === "http" ? { "http.checksum": value, "tsbuild.locked": "true" } : { "git.pinned": value };
    return { ...allowed, attrs: { ...allowed.attrs, ...pin } };
  }

  found(source: SourceName, value: string): void {
    this.#values.set(source.identifier, value);
    const entry = lockable(source);
    if (entry !== undefined && this.#lock !== undefined) this.#others[entry.kind].set(entry.name, value);
  }

  /** What a source that this build has looked at turned out to be: a commit, or the digest of a download. */
  valueOf(identifier: string): string | undefined {
    return this.#values.get(identifier);
  }

  /** The name to resolve an image by: that of the policy, with the digest of the lock. */
  imageName(name: string, platform: Platform): string {
    const { identifier } = applyPolicy(this.#options.policy, { identifier: `${IMAGE}${name}`, attrs: {} });
    const allowed = identifier.startsWith(IMAGE) ? identifier.slice(IMAGE.length) : identifier;
    if (
      /@sha256:[0-9a-f]{64}$/.test(allowed) ||
      !identifier.startsWith(IMAGE) ||
      this.#options.mode === "update"
    )
      return allowed;
    const digest = this.#pinnedImage(name, platform);
    if (digest === undefined && this.#options.mode === "locked")
      throw notLocked(`${name} (${formatPlatform(platform)})`);
    return digest === undefined ? allowed : `${allowed}@${digest}`;
  }

  #pinnedImage(name: string, platform: Platform): string | undefined {
    if (this.#options.mode === "update") return undefined;
    return this.#lock?.images[name]?.[formatPlatform(platform)];
  }

  /** What to tell of an image that cannot be had: where its digest is the lock's, nobody need look for a mistake in the name. */
  imageError(error: unknown, name: string, platform: Platform): unknown {
    const digest = this.#pinnedImage(name, platform);
    if (digest === undefined || !(error instanceof TsbuildError) || !error.message.includes(digest))
      return error;
    const { code, message, hint } = error;
    const update = "to take what the name is now: tsbuild build --update-lock …";
    return new TsbuildError(code, `${LOCK_NAME} says ${name} is ${digest}, which cannot be had: ${message}`, {
      hint: hint === undefined ? update : `${hint}; ${update}`,
      cause: error,
    });
  }

  /** Told what an image turned out to be. */
  foundImage(
    name: string,
    platform: Platform,
    image: { readonly resolvedBy: string; readonly digest: string },
  ): void {
    const { resolvedBy, digest } = image;
    const plain = resolvedBy.replace(/@sha256:[0-9a-f]{64}$/, "");
    if (plain !== name) this.#converted.set(`${IMAGE}${name}@${digest}`, `${IMAGE}${plain}@${digest}`);
    if (/@sha256:/.test(name) || name.startsWith("oci-layout://") || !isDigest(digest)) return;
    const platforms = this.#images.get(name) ?? new Map<string, string>();
    this.#images.set(name, platforms.set(formatPlatform(platform), digest));
  }

  /** The lock with what this build has found; what it did not ask for stays. */
  updated(): LockContent {
    const { images, http, git } = this.#lock ?? EMPTY_LOCK;
    const byName = { ...images };
    for (const [name, platforms] of this.#images)
      byName[name] = { ...byName[name], ...Object.fromEntries(platforms) };
    return {
      images: byName,
      http: { ...http, ...Object.fromEntries(this.#others.http) },
      git: { ...git, ...Object.fromEntries(this.#others.git) },
    };
  }
}
