import type { BuildEvent, CacheReason, Digest, Platform, TsbuildError, VertexDigest } from "@tsbuild/base";
import type { CheckOptions, CheckReport, Compiled, Outline, Target } from "@tsbuild/frontend";
import type { AgentSource, StepResources } from "@tsbuild/ops";
import type { CollectReport } from "@tsbuild/store";
import type { BuildHistory } from "./history/read.ts";
import type { LocalImages } from "./images/api.ts";
import type { Upkeep } from "./upkeep/upkeep.ts";
import type { VerifyOptions, VerifyReport } from "./verify/verify.ts";

/** Everything a build is asked for: flags of the command line, or fields set by a program. */
/** What is to be built; only the context has to be said. */
export interface BuildRequest {
  readonly context: ContextSource;
  /** Path of the Dockerfile (relative to the working folder); default `<context>/Dockerfile`. `-` is `dockerfileText`. */
  readonly dockerfile?: string | undefined;
  /** Text of the Dockerfile instead of a file. */
  readonly dockerfileText?: string | undefined;
  /** Names for the result in the local store, as the user wrote them; default: none. */
  readonly tags?: readonly string[] | undefined;
  /** The stage to build, by name or number; default: the last. */
  readonly target?: string | undefined;
  /** Further stages, whose results go where outputs with their `target` say; solved with the first in one (W021). */
  readonly alsoTargets?: readonly string[] | undefined;
  /** Stages that are built and go nowhere, such as tests (W022). */
  readonly withStages?: readonly string[] | undefined;
  /** All stages of the file are built (W022). */
  readonly allStages?: boolean | undefined;
  /** `undefined` value: taken from the caller's environment (D052). */
  readonly buildArgs?: Readonly<Record<string, string | undefined>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * Annotations of every output that makes an image, by the option that says where they go (C018): `annotation.KEY`,
   * `annotation-index.KEY`, `annotation-manifest[linux/arm64].KEY`, `annotation-manifest-descriptor.KEY`, `annotation-index-descriptor.KEY`.
   */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Taken out of the image's config at the end: what a base brought along (W033). */
  readonly unset?: readonly ConfigRemoval[] | undefined;
  /** New layers as one (W031): all of them with an empty text, else those from the stage of this name or number on. */
  readonly squash?: string | undefined;
  /** What is claimed of the result and goes out with it (FEATURES 4.4). Default: nothing, so that an image stays a plain manifest. */
  readonly attestations?: readonly AttestationRequest[] | undefined;
  /**
   * Named contexts (C017): a folder, `docker-image://REF`, `oci-layout://FOLDER[:TAG]`, a git or an http URL, or `dockerfile:PATH[#STAGE]`, a
   * stage of another Dockerfile on its own folder (W020).
   */
  readonly buildContexts?: Readonly<Record<string, string>> | undefined;
  /**
   * Bytes that depend on contents alone (W024): SOURCE_DATE_EPOCH is the context's commit where it is not given, the user's files are dated so, and
   * later times in new layers are cut off at it.
   */
  readonly reproducible?: boolean | undefined;
  /** Do not apply `.dockerignore`, whatever kind of context it is in (W008). */
  readonly noIgnore?: boolean | undefined;
  /** `normalize`: only whether the owner may execute a file counts of its mode, and is what COPY gives it (W009); default: the mode as it is. */
  readonly contextMode?: "normalize" | undefined;
  /** Ask no server: names are what they were when they were last asked for (W026). */
  readonly offline?: boolean | undefined;
  /** File with the rules that say which sources may be read (X009). */
  readonly sourcePolicy?: string | undefined;
  /** `locked`: only sources that tsbuild.lock has; `update`: ask anew and write it; default: use it when it is there (W025). */
  readonly lock?: "locked" | "update" | undefined;
  /** Default: that of this machine. */
  readonly platforms?: readonly Platform[] | undefined;
  readonly noCache?: boolean | undefined;
  /** Every step runs, also those that `noCache` leaves alone (WORKDIR); cache mounts begin empty, and no record is left. */
  readonly rebuildAll?: boolean | undefined;
  /** Stages whose records are ignored. */
  readonly noCacheFilter?: readonly string[] | undefined;
  /** Parts of the text of steps whose records are ignored; `*` stands for any text (W028). */
  readonly noCacheSteps?: readonly string[] | undefined;
  /** Records that are older do not count, wherever they come from (V040). */
  readonly cacheTtlMs?: number | undefined;
  /** Resolve base tags anew. */
  readonly pull?: boolean | undefined;
  /** Default: the image goes into the state folder. */
  readonly outputs?: readonly OutputRequest[] | undefined;
  /** Caches to look results up in, besides the state folder (V030–V034). What cannot be read is only warned of. */
  readonly cacheFrom?: readonly CacheRequest[] | undefined;
  /** Where the records and results of this build are exported to. */
  readonly cacheTo?: readonly CacheRequest[] | undefined;
  /** Network of RUN steps that do not say (C019). */
  readonly network?: "default" | "none" | "host" | undefined;
  /** Who connects the private network that `default` is; default: $TSBUILD_NETWORK, else `auto`. */
  readonly networkProvider?: "auto" | "pasta" | "slirp4netns" | "host" | undefined;
  readonly addHosts?: readonly { readonly host: string; readonly ip: string }[] | undefined;
  /** Secrets that steps may mount, by id (C014). Their values reach no key, log, history or layer. */
  readonly secrets?: Readonly<Record<string, SecretRequest>> | undefined;
  /** Agents that steps may forward, by id; `default` is that of a mount without one (C015). */
  readonly ssh?: Readonly<Record<string, AgentSource>> | undefined;
  /** What RUN may ask for beyond the default (C021). `network: "host"` implies network.host. */
  readonly allow?: readonly Entitlement[] | undefined;
  /** -1 is unlimited. In the key of each step (C022). */
  readonly ulimits?:
    | readonly { readonly name: string; readonly soft: number; readonly hard: number }[]
    | undefined;
  readonly shmSizeBytes?: number | undefined;
  /** Control group below which each step gets its own. */
  readonly cgroupParent?: string | undefined;
  /** Limits of each step, in no key (C023). */
  readonly resources?: StepResources | undefined;
  /** Parallel steps; default: four for each processor, 16 at least. */
  readonly jobs?: number | undefined;
  /**
   * What steps may take together, by what each took when it last ran: `8GB`, `50%` of the free memory, `off`; default: $TSBUILD_JOBS_MEMORY, else
   * `90%`. The first step runs whatever it takes (W018).
   */
  readonly jobsMemory?: string | undefined;
  /**
   * Hears of the step that made the build fail, after the last event and before `build` rejects: until this resolves the step's files,
   * mounts and secrets are there for a shell.
   */
  readonly onFailedStep?: ((step: FailedStep) => Promise<void>) | undefined;
  /** Copied out of the RUN that made the build fail, before `onFailedStep` (W023). */
  readonly failureOutputs?: readonly FailureOutput[] | undefined;
  readonly iidFile?: string | undefined;
  readonly metadataFile?: string | undefined;
}

/** As the flag has it: `--attest type=provenance,mode=max`. */
export interface AttestationRequest {
  readonly type: "provenance" | "sbom";
  /** The other `k=v` of the flag. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** A field of the image's config, or one of the names in it. */
export type ConfigRemoval =
  | { readonly field: "env" | "volume" | "expose" | "label"; readonly name: string }
  | {
      readonly field:
        | "entrypoint"
        | "cmd"
        | "user"
        | "workdir"
        | "healthcheck"
        | "stopsignal"
        | "shell"
        | "onbuild";
    };

export type Entitlement = "network.host" | "security.insecure";

export type SecretSource =
  /** At most 500 KiB; relative to the working folder. */
  | { readonly type: "file"; readonly path: string }
  /** A variable of the engine's environment. */
  | { readonly type: "env"; readonly name: string }
  | { readonly type: "value"; readonly value: Uint8Array };

export interface SecretRequest {
  readonly source: SecretSource;
  /**
   * True: another value re-runs the steps that mount the secret (W010). Their keys then hold an HMAC of the value under a random key
   * that never leaves the state folder.
   */
  readonly invalidate?: boolean | undefined;
}

export type ContextSource =
  | { readonly type: "folder"; readonly path: string }
  /** A tar (optionally compressed) or a Dockerfile, told apart by content (C001). */
  | { readonly type: "stream"; readonly stream: AsyncIterable<Uint8Array> }
  /** A git repository, an archive or a Dockerfile behind a URL (C001, X004, X005). */
  | { readonly type: "remote"; readonly url: string }
  | { readonly type: "none" };

/** As the flags have it: `type=registry,ref=…,mode=max`. */
export interface CacheRequest {
  readonly type: string;
  /** The other `k=v` of the flag. */
  readonly attrs: Readonly<Record<string, string>>;
}

export interface OutputRequest {
  readonly type: "image" | "registry" | "oci" | "docker" | "local" | "tar" | "cacheonly";
  /** File or folder; `-`: standard output. */
  readonly dest?: string | undefined;
  /** Whose result it is, of several targets; default: the first one's. */
  readonly target?: string | undefined;
  /** The other `k=v` of the flag. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** A file, or what is in a folder, of the filesystem of a step that failed. */
export interface FailureOutput {
  /** From the step's root. */
  readonly path: string;
  /** Folder of the host; made when it is not there. */
  readonly dest: string;
}

export interface BuildResult {
  /** Digest of the image config: Docker's image ID. Absent when only files were exported, and of several platforms. */
  readonly imageId?: Digest | undefined;
  /** Digest of the manifest or index of the last output that has one. */
  readonly manifest?: Digest | undefined;
  readonly names: readonly string[];
  /** Bytes of the image's layers, and of those of the image that had its first name before; absent when it is the same (W017). */
  readonly growth?:
    | { readonly name: string; readonly bytes: number; readonly beforeBytes: number }
    | undefined;
  /** Stages that nothing of what was built needs (W022). */
  readonly skippedStages?: readonly string[] | undefined;
  /** What was removed afterwards to stay within the limits of the state folder; absent when nothing was. */
  readonly collected?: CollectReport | undefined;
}

export interface EngineOptions {
  /** State folder; default $TSBUILD_ROOT, /var/lib/tsbuild as root, $XDG_DATA_HOME/tsbuild. */
  readonly root?: string | undefined;
  /** `overlay`, `copy` or `auto`; default $TSBUILD_SNAPSHOTTER, else `auto`: overlayfs where it works on the state folder. */
  readonly snapshotter?: string | undefined;
  /**
   * `sandbox`, `chroot` or `auto`; default $TSBUILD_ISOLATION, else `auto`: a chroot only where no namespace can be made. It takes the
   * snapshotter `copy`.
   */
  readonly isolation?: string | undefined;
  /** `runc`, `crun` or a path: steps run in that OCI runtime; default $TSBUILD_OCI_RUNTIME, else the sandbox of this package. */
  readonly ociRuntime?: string | undefined;
  /**
   * AppArmor profile that steps enter, `unconfined` for none; default $TSBUILD_APPARMOR_PROFILE, else `tsbuild-default` where it is loaded. A
   * step that cannot enter the one it was told fails.
   */
  readonly apparmorProfile?: string | undefined;
  /** Environment that settings come from (TSBUILD_MIRROR, SOURCE_DATE_EPOCH …); default process.env. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Registries whose certificates are not checked, and that may speak plain HTTP. */
  readonly insecureRegistries?: readonly string[] | undefined;
  /** The process ends right after `close`: the state folder's database is then not closed, only brought to the disk. Default: false. */
  readonly processEnds?: boolean | undefined;
}

/** The public API: `import { openEngine } from "@tsbuild/engine"`. */
export interface Engine {
  /** Rejects with a TsbuildError; events are complete either way. */
  build(
    request: BuildRequest,
    options?: { readonly signal?: AbortSignal; readonly onEvent?: (event: BuildEvent) => void },
  ): Promise<BuildResult>;
  /** Builds twice, or once to be compared with an image that exists, and finds the first difference (W024). */
  verify(
    request: BuildRequest,
    options: Omit<VerifyOptions, "env" | "signal"> & { readonly signal?: AbortSignal },
  ): Promise<VerifyReport>;
  /** Reads Dockerfile and context of a request for questions about them; nothing is run or stored as a result. */
  inspect(request: BuildRequest, options?: { readonly signal?: AbortSignal }): Promise<Inspection>;
  /** Makes an image of a root filesystem tarball (optionally compressed). */
  importImage(request: {
    readonly source: AsyncIterable<Uint8Array>;
    /** Default: none, the image is stored under its ID. */
    readonly name?: string | undefined;
    /** Dockerfile instructions applied to the config (CMD, ENV, …). */
    readonly changes: readonly string[];
    /** Default: this machine's. */
    readonly platform?: Platform | undefined;
    /** Comment of the layer in the image's history. */
    readonly message?: string | undefined;
    readonly signal?: AbortSignal;
  }): Promise<BuildResult>;
  images(): readonly ImageSummary[];
  /** Commands on single images of the local store. */
  localImages(): Promise<LocalImages>;
  /** Builds that were run on the state folder. */
  history(): Promise<BuildHistory>;
  /** What takes room in the state folder, removing it, and checking it. */
  upkeep(): Promise<Upkeep>;
  /** Runs a command of an image in the sandbox on a throw-away layer; resolves with the exit code. */
  run(request: RunRequest): Promise<number>;
  /** A shell in a step of an earlier build, on this process's terminal; resolves with its exit code. */
  shell(request: ShellRequest): Promise<number>;
  close(): Promise<void>;
}

/** Answers about a Dockerfile. Errors are TsbuildErrors with their place; those of `check` are in its report. */
export interface Inspection {
  /** The Dockerfile as the user named it, and its text. */
  readonly file: string;
  readonly text: string;
  /** Mistakes and warnings of all stages. */
  check(options?: CheckOptions): Promise<CheckReport>;
  /** What the target can be given. */
  outline(): Promise<Outline>;
  /** The stages. */
  targets(): Promise<readonly Target[]>;
  /** Graph and image config per platform. */
  compile(): Promise<Compiled>;
  /** What a build would find in the cache and what it would run, without running anything (W027). */
  plan(): Promise<BuildPlan>;
}

export interface BuildPlan {
  readonly steps: readonly PlannedStep[];
}

export interface PlannedStep {
  readonly vertex: VertexDigest;
  readonly name: string;
  /** `unknown`: decided by the content of what another step makes, which is not there yet. */
  readonly verdict: "cached" | "runs" | "unknown";
  readonly reason?: CacheReason | undefined;
  /** Names of the steps that decide. */
  readonly dependsOn?: readonly string[] | undefined;
  /** How long it took the last time; none for a step without an earlier record. */
  readonly durationMs?: number | undefined;
  /** Bytes of its layer, of the last time for one that runs; none where no image was made of it. */
  readonly sizeBytes?: number | undefined;
}

export interface ImageSummary {
  /** As people write it, e.g. `debian:bookworm`; `<none>`. */
  readonly name: string;
  /** Parts of the name; none of an image that is known by its ID only. */
  readonly repository?: string | undefined;
  readonly tag?: string | undefined;
  /** Under which a registry has it in this repository. */
  readonly digest?: Digest | undefined;
  readonly imageId: Digest;
  readonly manifest: Digest;
  /** Milliseconds since the epoch: what its config says, else when it came here. */
  readonly createdAt: number;
  /** Bytes of all layers uncompressed; undefined when not unpacked here. */
  readonly sizeBytes: number | undefined;
}

export interface FailedStep {
  readonly error: TsbuildError;
  readonly command: readonly string[];
  readonly workdir: string;
  /** Opens a shell in the step's world on this process's terminal; resolves with its exit code. */
  shell(request: ShellRequest): Promise<number>;
}

export interface ShellRequest {
  /** A recorded build, by ID or `^N`; default: steps that failed last, then the newest. */
  readonly build?: string | undefined;
  /** Number, digest (its start) or words of the name of a step; default: the one that failed, else the build's last RUN. */
  readonly step?: string | undefined;
  /** For the step's mounts; what is not given again is not mounted. As in BuildRequest. */
  readonly secrets?: BuildRequest["secrets"];
  readonly ssh?: BuildRequest["ssh"];
  /** The state before the step instead of the one it failed in. */
  readonly before?: boolean | undefined;
  /** Path of a program of the image; default: bash, else sh. */
  readonly shell?: string | undefined;
  /**
   * Tools for an image that has none, read-only at `/.tsbuild-tools`: `busybox` is this machine's, if it is static; else a folder with
   * a static `sh`.
   */
  readonly debugTools?: string | undefined;
  readonly signal?: AbortSignal;
  readonly onStart?: OnStart | undefined;
  /** Hears what was found before the shell starts. */
  readonly onStep?: (step: {
    readonly name: string;
    readonly command: readonly string[];
    readonly workdir: string;
    /** Mounts that it had and that cannot be made again: what and why. */
    readonly notMounted: readonly string[];
  }) => void;
}

export interface RunRequest {
  readonly image: string;
  /** Replaces CMD; empty: the image's own. */
  readonly args: readonly string[];
  readonly entrypoint?: readonly string[] | undefined;
  readonly env: readonly string[];
  readonly user?: string | undefined;
  readonly workdir?: string | undefined;
  /** `log`: no input; `input`: this process's own, by way of a pipe; `terminal`: a terminal of its own, joined to this process's. */
  readonly stdio: "log" | "input" | "terminal";
  readonly network: "default" | "none" | "host";
  readonly signal?: AbortSignal;
  readonly stdout?: ((chunk: Uint8Array) => void) | undefined;
  readonly stderr?: ((chunk: Uint8Array) => void) | undefined;
  readonly onStart?: OnStart | undefined;
}

/** Hears how to send signals to a command that is about to start; what comes after its end is lost. */
export type OnStart = (send: (signal: NodeJS.Signals) => void) => void;
