/** A source as the graph names it. */
export interface SourceName {
  /** `docker-image://…`, `git://…`, `https://…`, `local://…`. */
  readonly identifier: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** What stands between the sources that a build names and those that it reads: source policies and the lock file. */
export interface SourceRules {
  /** The source to read in place of this one. Throws TSB_RESOLVE when it may not be read. A second call changes nothing more. */
  apply(source: SourceName): SourceName;
  /** Told what a source (as it was before `apply`) turned out to be: a commit, or the digest of a download. */
  found(source: SourceName, value: string): void;
}

/** Rules of a build without a policy and a lock. */
export const anySource: SourceRules = { apply: (source) => source, found: () => undefined };
