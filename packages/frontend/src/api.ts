import type { Digest, LineRange, Platform } from "@tsbuild/base";
import type { Graph } from "@tsbuild/llb";
import type { ImageConfig } from "@tsbuild/oci";

/**
 * Answers for base images: the config only, never a layer. The frontend asks for each image and platform once.
 * Rejects with TSB_RESOLVE (not found, unreachable) or TSB_AUTH; the frontend adds the line of the FROM.
 */
export interface ImageResolver {
  /**
   * `name` is a full reference (`docker.io/library/alpine:latest`) or, for a context that is an OCI layout,
   * `oci-layout://STORE@sha256:…`.
   */
  resolve(name: string, options: { readonly platform: Platform }): Promise<ResolvedImage>;
  /**
   * Seconds since the epoch that a git or http source is from (commit time, Last-Modified), for
   * SOURCE_DATE_EPOCH=context and the like (D056); undefined when it has none. Without this method such a
   * SOURCE_DATE_EPOCH is as if it were not given.
   */
  sourceTime?(source: {
    readonly identifier: string;
    readonly attrs: Readonly<Record<string, string>>;
  }): Promise<number | undefined>;
}

export interface ResolvedImage {
  /** When given, the source op is pinned: `docker-image://NAME@DIGEST`. */
  readonly digest?: Digest | undefined;
  readonly config: ImageConfig;
}

/** Another Dockerfile whose stage is used as an image (W020). Its context is the local folder of its name. */
export interface IncludedFile {
  /** Name of the Dockerfile for messages. */
  readonly file: string;
  readonly text: string;
  /** Text of the ignore file that applies, with its name. */
  readonly ignore?: { readonly file: string; readonly text: string } | undefined;
  /** Default: the last stage. */
  readonly target?: string | undefined;
}

export interface CompileRequest {
  /** Name of the Dockerfile for messages. */
  readonly file: string;
  readonly text: string;
  /** Text of the ignore file that applies, with its name. */
  readonly ignore?: { readonly file: string; readonly text: string } | undefined;
  readonly target?: string | undefined;
  /** Empty: the build platform, implicitly. */
  readonly platforms: readonly Platform[];
  readonly buildPlatform: Platform;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /**
   * What stands in place of a name (`--build-context`): `docker-image://…`, `local:NAME`, `oci-layout://…`, a URL, or `dockerfile:NAME`, a stage
   * of `includedFiles[NAME]`.
   */
  readonly namedContexts: Readonly<Record<string, string>>;
  /** Other Dockerfiles, by the name in `dockerfile:NAME` (W020). */
  readonly includedFiles?: Readonly<Record<string, IncludedFile>> | undefined;
  /** Names of the Dockerfiles that include this one, outermost first: nothing of this file is replaced by them. */
  readonly includedBy?: readonly string[] | undefined;
  /** Text of the ignore file of local named contexts, by the name in `local:NAME` (D136). */
  readonly contextIgnores?:
    | Readonly<Record<string, { readonly file: string; readonly text: string }>>
    | undefined;
  /** The main context when it is not the local folder: a git or http URL, an image. */
  readonly context?: string | undefined;
  /** False when the http(s) main context is one plain file; default: an archive, to be unpacked. */
  readonly contextIsArchive?: boolean | undefined;
  /** Seconds since the epoch that a fetched main context is from, for SOURCE_DATE_EPOCH=context (D056). */
  readonly contextEpochSeconds?: number | undefined;
  /**
   * A build whose bytes are to depend on contents alone (W024): files of local contexts get the time of SOURCE_DATE_EPOCH, and where none is
   * given, these seconds are it.
   */
  readonly reproducible?: { readonly epochSeconds: number } | undefined;
  readonly noCache: "none" | "all" | readonly string[];
  readonly network: "default" | "none" | "host";
  readonly addHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly shmSizeBytes?: number | undefined;
  readonly cgroupParent?: string | undefined;
  readonly hostname?: string | undefined;
  readonly resolveMode?: "default" | "pull" | "local" | undefined;
  readonly multiPlatform?: boolean | undefined;
  /** Names of secrets that steps may ask for: an ARG or ENV of such a name is not where they belong (W011). */
  readonly secretNames?: readonly string[] | undefined;
  /** Compile also stages that the target does not need, so that they are checked, too (`--check`, D161). */
  readonly allStages?: boolean | undefined;
}

export interface CompiledPlatform {
  readonly platform: Platform;
  readonly graph: Graph;
  readonly image: ImageConfig;
  /** Config of the base image of the target stage, before any instruction; absent for scratch. */
  readonly baseImage?: ImageConfig | undefined;
  /** Seconds since the epoch from SOURCE_DATE_EPOCH. */
  readonly epochSeconds?: number | undefined;
  /** What a scan for a bill of materials looks at beside the result (BUILDKIT_SBOM_SCAN_*), by name. */
  readonly sbomExtras?: readonly { readonly name: string; readonly graph: Graph }[] | undefined;
  /** The target stage and those that it is FROM, lowest first; absent when it has no instructions. */
  readonly stages?: readonly StackedStage[] | undefined;
  /** Stages of the file that the target does not need, by name or number. */
  readonly skippedStages?: readonly string[] | undefined;
}

/** A stage that the result stands on, or is. */
export interface StackedStage {
  /** In lower case. */
  readonly name?: string | undefined;
  readonly index: number;
  /** Of the image's history, how many entries come before the stage's own. */
  readonly entriesBefore: number;
}

export interface Warning {
  readonly rule: string;
  readonly message: string;
  readonly url?: string | undefined;
  readonly ranges: readonly LineRange[];
}

/** Everything that the build needs to know of a Dockerfile. Pure data: can be stored and read back. */
export interface Compiled {
  readonly platforms: readonly CompiledPlatform[];
  readonly warnings: readonly Warning[];
  /** The resolver's answers that went in: while they stay the same, so does the result. */
  readonly images: readonly {
    readonly name: string;
    readonly platform: Platform;
    readonly digest?: Digest | undefined;
  }[];
  /** The times of sources that went in, for SOURCE_DATE_EPOCH=context and the like: they can change, too. */
  readonly sourceTimes: readonly SourceTime[];
}

/** A git or http source and when it is from. */
export interface SourceTime {
  readonly identifier: string;
  readonly attrs: Readonly<Record<string, string>>;
  /** Absent: it has none, or it cannot be told. */
  readonly seconds?: number | undefined;
}

/** Compiles; rejects with TSB_DOCKERFILE carrying file, lines and column. */
export type Compile = (request: CompileRequest, resolver: ImageResolver) => Promise<Compiled>;
