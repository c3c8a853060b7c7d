import type { LineRange, Platform, VertexDigest } from "@tsbuild/base";

/** An output of another vertex: the edge of the graph. */
export interface Input {
  readonly digest: VertexDigest;
  readonly index: number;
}

/**
 * A vertex's operation, as BuildKit's `pb.Op` has it. Its marshalled bytes name it: nothing here may be a thing
 * that does not change the result (see `OpMetadata` for those).
 */
export interface Op {
  readonly inputs: readonly Input[];
  readonly kind: OpKind;
  readonly platform?: Platform | undefined;
  /** Worker constraints (`pb.WorkerConstraints.filter`). */
  readonly constraints?: readonly string[] | undefined;
}

export type OpKind = ExecOp | SourceOp | FileOp | BuildOp | MergeOp | DiffOp;

/** `identifier` is `scheme://…`: docker-image, oci-layout, local, git, http, https. */
export interface SourceOp {
  readonly type: "source";
  readonly identifier: string;
  readonly attrs: Readonly<Record<string, string>>;
}

export interface ExecOp {
  readonly type: "exec";
  readonly meta: ExecMeta;
  readonly mounts: readonly Mount[];
  readonly network: "default" | "host" | "none";
  readonly security: "sandbox" | "insecure";
  readonly secretEnv: readonly SecretEnv[];
  /** CDI devices (`pb.CDIDevice`). */
  readonly devices?: readonly CdiDevice[] | undefined;
}

export interface CdiDevice {
  /** `vendor/class=name`. */
  readonly name: string;
  readonly optional: boolean;
}

export interface ExecMeta {
  readonly args: readonly string[];
  /** `K=V` in order. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly proxyEnv?: ProxyEnv | undefined;
  readonly extraHosts: readonly HostIp[];
  readonly hostname: string;
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  readonly removeMountStubsRecursive: boolean;
  readonly validExitCodes: readonly number[];
}

export interface ProxyEnv {
  readonly http: string;
  readonly https: string;
  readonly ftp: string;
  readonly no: string;
  readonly all: string;
}

export interface HostIp {
  readonly host: string;
  readonly ip: string;
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface SecretEnv {
  readonly id: string;
  readonly name: string;
  readonly optional: boolean;
}

/** `input` and `output` are -1 where there is none (`pb.Mount`). */
export interface Mount {
  /** Index into `Op.inputs`; -1: an empty (scratch) filesystem. */
  readonly input: number;
  /** Path within the input. */
  readonly selector: string;
  readonly dest: string;
  /**
   * Number of the vertex's output that this mount's content becomes; -1: not kept. Secret and ssh mounts have 0
   * here, as BuildKit writes them, and never an output.
   */
  readonly output: number;
  readonly readonly: boolean;
  readonly type: "bind" | "cache" | "tmpfs" | "secret" | "ssh";
  readonly tmpfsSizeBytes?: number | undefined;
  readonly cache?: { readonly id: string; readonly sharing: "shared" | "private" | "locked" } | undefined;
  readonly secret?: SecretOptions | undefined;
  readonly ssh?: SecretOptions | undefined;
  readonly contentCache: "default" | "on" | "off";
}

export interface SecretOptions {
  readonly id: string;
  readonly uid: number;
  readonly gid: number;
  /** File mode bits. */
  readonly mode: number;
  readonly optional: boolean;
}

export interface FileOp {
  readonly type: "file";
  readonly actions: readonly FileAction[];
}

/**
 * `input` and `secondaryInput` count `Op.inputs` first, then the results of the actions before
 * (`inputs.length + i` is action i); -1: scratch. `output` is the vertex's output number, or -1.
 */
export interface FileAction {
  readonly input: number;
  readonly secondaryInput: number;
  readonly output: number;
  readonly action: CopyAction | MkfileAction | MkdirAction | RmAction | SymlinkAction;
}

/** A user or group: by number, or by name looked up in the passwd/group of input number `input`. */
export type UserOrId = { readonly id: number } | { readonly name: string; readonly input: number };

export interface Owner {
  readonly user?: UserOrId | undefined;
  readonly group?: UserOrId | undefined;
}

export interface CopyAction {
  readonly type: "copy";
  readonly src: string;
  readonly dest: string;
  readonly owner?: Owner | undefined;
  /** Permission bits for everything copied; -1 keeps the source's. */
  readonly mode: number;
  /** Symbolic mode (`u=rwX,go=rX`); wins over `mode`. */
  readonly modeStr: string;
  readonly followSymlink: boolean;
  readonly dirCopyContents: boolean;
  readonly attemptUnpackDockerCompatibility: boolean;
  readonly createDestPath: boolean;
  readonly allowWildcard: boolean;
  readonly allowEmptyWildcard: boolean;
  /** Nanoseconds since the epoch for everything copied; -1 keeps the source's. */
  readonly timestampNs: bigint;
  readonly includePatterns: readonly string[];
  readonly excludePatterns: readonly string[];
  readonly requiredPaths: readonly string[];
  readonly alwaysReplaceExistingDestPaths: boolean;
}

export interface MkfileAction {
  readonly type: "mkfile";
  readonly path: string;
  readonly mode: number;
  readonly data: Uint8Array;
  readonly owner?: Owner | undefined;
  readonly timestampNs: bigint;
}

export interface MkdirAction {
  readonly type: "mkdir";
  readonly path: string;
  readonly mode: number;
  readonly makeParents: boolean;
  readonly owner?: Owner | undefined;
  readonly timestampNs: bigint;
}

export interface RmAction {
  readonly type: "rm";
  readonly path: string;
  readonly allowNotFound: boolean;
  readonly allowWildcard: boolean;
}

export interface SymlinkAction {
  readonly type: "symlink";
  /** What the link points at. */
  readonly oldPath: string;
  /** Where the link is. */
  readonly newPath: string;
  readonly owner?: Owner | undefined;
  readonly timestampNs: bigint;
}

export interface BuildOp {
  readonly type: "build";
  readonly builder: number;
  readonly inputs: Readonly<Record<string, number>>;
  readonly definition?: Uint8Array | undefined;
  readonly attrs: Readonly<Record<string, string>>;
}

/** Layer-wise overlay of inputs, later wins. */
export interface MergeOp {
  readonly type: "merge";
  /** Indexes into `Op.inputs`; -1: scratch. */
  readonly inputs: readonly number[];
}

/** `upper` minus `lower`, with whiteouts. */
export interface DiffOp {
  readonly type: "diff";
  /** Indexes into `Op.inputs`; -1: scratch. */
  readonly lower: number;
  readonly upper: number;
}

/** What goes with a vertex but is no part of its identity (`pb.OpMetadata`). */
export interface OpMetadata {
  /** Progress text, `llb.customname` in the description. */
  readonly name?: string | undefined;
  readonly description?: Readonly<Record<string, string>> | undefined;
  readonly ignoreCache?: boolean | undefined;
  readonly exportCache?: boolean | undefined;
  readonly progressGroup?:
    | { readonly id: string; readonly name: string; readonly weak?: boolean }
    | undefined;
  readonly caps?: readonly string[] | undefined;
}

/** Places in the source file per vertex. */
export interface SourceMap {
  readonly file: string;
  readonly language: string;
  readonly text: string;
  readonly locations: ReadonlyMap<VertexDigest, readonly LineRange[]>;
}

/** A vertex of a loaded graph. */
export interface Vertex {
  readonly digest: VertexDigest;
  readonly op: Op;
  readonly metadata: OpMetadata;
}

/** A graph with its result: what the frontend returns and the solver takes. Vertices are in topological order, inputs first. */
export interface Graph {
  readonly vertices: readonly Vertex[];
  /** `null`: the empty (scratch) filesystem. */
  readonly result: Input | null;
  readonly source?: SourceMap | undefined;
  /** Further source files of a definition that was put together from several. */
  readonly otherSources?: readonly SourceMap[] | undefined;
}
