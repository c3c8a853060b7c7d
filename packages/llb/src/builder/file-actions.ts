import { posix } from "node:path";
import type { CopyAction, FileAction, FileOp, Owner, UserOrId } from "../op.ts";
import type { InputTable, OutputSource } from "./planned-vertex.ts";

/** Owner of something that an action makes: numbers, or names of the passwd and group files of the base. */
export interface OwnerSpec {
  readonly user?: number | string | undefined;
  readonly group?: number | string | undefined;
}

interface MakeOptions {
  readonly owner?: OwnerSpec | undefined;
  /** Nanoseconds since the epoch. Absent: the time of the build. */
  readonly timestampNs?: bigint | undefined;
}

export interface MkdirOptions extends MakeOptions {
  /** Permission bits; default 0755. */
  readonly mode?: number | undefined;
  readonly makeParents?: boolean | undefined;
}

export interface MkfileOptions extends MakeOptions {
  /** Permission bits; default 0644. */
  readonly mode?: number | undefined;
}

export interface RmOptions {
  readonly allowNotFound?: boolean | undefined;
  readonly allowWildcard?: boolean | undefined;
}

export interface CopyOptions extends MakeOptions {
  /** Permission bits, or symbolic (`u=rwX,go=rX`). Absent: the source's. */
  readonly mode?: number | string | undefined;
  readonly followSymlink?: boolean | undefined;
  readonly dirCopyContents?: boolean | undefined;
  readonly attemptUnpack?: boolean | undefined;
  readonly createDestPath?: boolean | undefined;
  readonly allowWildcard?: boolean | undefined;
  readonly allowEmptyWildcard?: boolean | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly requiredPaths?: readonly string[] | undefined;
  readonly alwaysReplaceExistingDestPaths?: boolean | undefined;
}

type Action = FileAction["action"];

interface Entry {
  /** Source of a copy. */
  readonly from?: OutputSource | undefined;
  /** `base`: number of the input whose users name owners. */
  make(base: number): Action;
}

const NO_TIME = -1n;

/** Absolute and clean; a trailing slash, or `/.`, says that the destination is a folder and stays (D095). */
function destination(path: string): string {
  const clean = posix.join("/", path.replace(/\/+$/, "") || "/");
  if (path.endsWith("/.")) return clean === "/" ? "/." : `${clean}/.`;
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}

function absolute(path: string): string {
  const joined = posix.join("/", path);
  return joined.length > 1 && joined.endsWith("/") ? joined.slice(0, -1) : joined;
}

function userOf(user: number | string | undefined, base: number): UserOrId | undefined {
  if (user === undefined) return undefined;
  return typeof user === "number" ? { id: user } : { name: user, input: base };
}

function ownerOf(spec: OwnerSpec | undefined, base: number): { owner?: Owner } {
  if (spec === undefined) return {};
  const user = userOf(spec.user, base);
  const group = userOf(spec.group, base);
  return { owner: { ...(user ? { user } : {}), ...(group ? { group } : {}) } };
}

function copyAction(src: string, dest: string, options: CopyOptions, base: number): CopyAction {
  const { mode } = options;
  const symbolic = typeof mode === "string";
  return {
    type: "copy",
    src: absolute(src),
    dest: destination(dest),
    ...ownerOf(options.owner, base),
    mode: symbolic ? 0 : (mode ?? -1),
    modeStr: symbolic ? mode : "",
    followSymlink: options.followSymlink ?? false,
    dirCopyContents: options.dirCopyContents ?? false,
    attemptUnpackDockerCompatibility: options.attemptUnpack ?? false,
    createDestPath: options.createDestPath ?? false,
    allowWildcard: options.allowWildcard ?? false,
    allowEmptyWildcard: options.allowEmptyWildcard ?? false,
    timestampNs: options.timestampNs ?? NO_TIME,
    includePatterns: options.includePatterns ?? [],
    excludePatterns: options.excludePatterns ?? [],
    requiredPaths: options.requiredPaths ?? [],
    alwaysReplaceExistingDestPaths: options.alwaysReplaceExistingDestPaths ?? false,
  };
}

/** The end of a list that grows by one entry at a time, with all lists before it shared. */
interface Chain {
  readonly entry: Entry;
  readonly before: Chain | undefined;
}

/** Actions of one file op, each on the result of the one before. Immutable: every call gives a longer list. */
export class FileActions {
  readonly #last: Chain | undefined;
  readonly length: number;

  private constructor(last: Chain | undefined, length: number) {
    this.#last = last;
    this.length = length;
  }

  /** No actions yet. */
  static none(): FileActions {
    return new FileActions(undefined, 0);
  }

  // Linked and not copied: one COPY may have tens of thousands of sources.
  #with(make: (base: number) => Action, from?: OutputSource): FileActions {
    return new FileActions({ entry: { make, from }, before: this.#last }, this.length + 1);
  }

  #entries(): Entry[] {
    const entries: Entry[] = [];
    for (let chain = this.#last; chain !== undefined; chain = chain.before) entries.push(chain.entry);
    return entries.reverse();
  }

  mkdir(path: string, options: MkdirOptions = {}): FileActions {
    return this.#with((base) => ({
      type: "mkdir",
      path: absolute(path),
      mode: options.mode ?? 0o755,
      makeParents: options.makeParents ?? false,
      ...ownerOf(options.owner, base),
      timestampNs: options.timestampNs ?? NO_TIME,
    }));
  }

  mkfile(path: string, data: string | Uint8Array, options: MkfileOptions = {}): FileActions {
    return this.#with((base) => ({
      type: "mkfile",
      path: absolute(path),
      mode: options.mode ?? 0o644,
      data: typeof data === "string" ? new TextEncoder().encode(data) : data,
      ...ownerOf(options.owner, base),
      timestampNs: options.timestampNs ?? NO_TIME,
    }));
  }

  symlink(oldPath: string, newPath: string, options: MakeOptions = {}): FileActions {
    return this.#with((base) => ({
      type: "symlink",
      oldPath,
      newPath: absolute(newPath),
      ...ownerOf(options.owner, base),
      timestampNs: options.timestampNs ?? NO_TIME,
    }));
  }

  rm(path: string, options: RmOptions = {}): FileActions {
    return this.#with(() => ({
      type: "rm",
      path: absolute(path),
      allowNotFound: options.allowNotFound ?? false,
      allowWildcard: options.allowWildcard ?? false,
    }));
  }

  copy(from: OutputSource, src: string, dest: string, options: CopyOptions = {}): FileActions {
    return this.#with((base) => copyAction(src, dest, options, base), from);
  }

  /** Filesystems that are copied from, in order. */
  get sources(): OutputSource[] {
    return this.#entries().flatMap((entry) => (entry.from === undefined ? [] : [entry.from]));
  }

  /** The op that does this to `base`. */
  describe(base: OutputSource, table: InputTable): FileOp {
    const baseInput = table.add(base);
    const wired = this.#entries().map((entry) => ({
      secondaryInput: entry.from === undefined ? -1 : table.add(entry.from),
      action: entry.make(baseInput),
    }));
    // Results of actions are numbered after the inputs, so their number is known only now.
    const first = table.inputs.length;
    const last = wired.length - 1;
    const actions = wired.map(({ secondaryInput, action }, index) => ({
      input: index === 0 ? baseInput : first + index - 1,
      secondaryInput,
      output: index === last ? 0 : -1,
      action,
    }));
    return { type: "file", actions };
  }
}

/** Starts a list of actions. */
export function mkdir(path: string, options?: MkdirOptions): FileActions {
  return FileActions.none().mkdir(path, options);
}

/** Starts a list of actions. */
export function mkfile(path: string, data: string | Uint8Array, options?: MkfileOptions): FileActions {
  return FileActions.none().mkfile(path, data, options);
}

/** Starts a list of actions. */
export function symlink(oldPath: string, newPath: string, options?: MakeOptions): FileActions {
  return FileActions.none().symlink(oldPath, newPath, options);
}

/** Starts a list of actions. */
export function rm(path: string, options?: RmOptions): FileActions {
  return FileActions.none().rm(path, options);
}

/** Starts a list of actions. */
export function copy(from: OutputSource, src: string, dest: string, options?: CopyOptions): FileActions {
  return FileActions.none().copy(from, src, dest, options);
}
