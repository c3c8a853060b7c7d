import type { Digest, Platform, SnapshotId, VertexDigest } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { ImageConfig } from "@tsbuild/oci";
import type { Emulation, NetworkPool, Sandbox } from "@tsbuild/sandbox";
import type { OpContext } from "@tsbuild/solver";
import type { RemoteLayer, Store } from "@tsbuild/store";
import type { LargeContext } from "./content/large.ts";
import type { KeptStep } from "./exec/kept-step.ts";
import type { GitProvider } from "./git/provider.ts";
import type { StepGrants } from "./grants/grants.ts";
import type { LocalContext } from "./local/context.ts";
import type { SourceRules } from "./sources.ts";

/** What the executors of one build work with. Made by the engine; the parts that cost start-up time are functions. */
export interface OpsEnvironment {
  readonly store: Store;
  readonly fs: NativeFs;
  /** Loads the sandbox on the first RUN that really runs. */
  readonly sandbox: () => Promise<Sandbox>;
  /** `chroot`: nothing can be mounted and no namespace made; default `sandbox`. */
  readonly isolation?: Isolation | undefined;
  /** See `ExecSpec.apparmorProfile`. */
  readonly apparmorProfile?: string | undefined;
  readonly images: () => Promise<ImageProvider>;
  readonly http: () => Promise<HttpFetcher>;
  readonly git: () => Promise<GitProvider>;
  readonly rules: SourceRules;
  /** Local contexts by the name in `local://NAME`. */
  readonly contexts: ReadonlyMap<string, LocalContext>;
  /** Private networks for steps; made when the first step asks for one. */
  readonly networks: () => Promise<NetworkPool>;
  /** How a step for another platform than this machine's runs; undefined where nobody can tell: then it is tried. */
  readonly emulation?:
    | ((platform: Platform, context: OpContext) => Promise<Emulation | undefined>)
    | undefined;
  /** Text of the host's resolv.conf, or of the one that systemd-resolved keeps of the servers behind it; undefined when there is none. */
  readonly resolvConf: (which: "host" | "resolved") => string | undefined;
  /** True in a user namespace: overlay marks are `user.overlay.*`. */
  readonly userxattr: boolean;
  /** Proxy and similar variables handed to RUN beside the recorded environment (B020). */
  readonly proxyEnv: readonly string[];
  /** Takes over a step that failed, with refs that it has to release; undefined: nobody looks into failed steps. */
  readonly keepFailed?: ((step: KeptStep) => void) | undefined;
  /** Whether a variable of a step is one of the Dockerfile's ARGs, for explanations. */
  readonly isArg?: ((name: string) => boolean) | undefined;
  /** Whether the result of a vertex only leaves the build, so that layers which are elsewhere may stay there (V021). Default: never. */
  readonly isPassedOn?: ((vertex: VertexDigest) => boolean) | undefined;
  /** Told when a step's process is on its way: this thread has little to do until that ends. */
  readonly onRunning?: (() => void) | undefined;
  /** Told when a step reads much of a context that has changed since it was read last. */
  readonly onLargeContext?: ((large: LargeContext) => void) | undefined;
  /** Secrets, agents and limits of this build. */
  readonly grants: StepGrants;
}

/** How steps are kept apart from the machine (`--isolation`). */
export type Isolation = "sandbox" | "chroot";

/** Images as sources of a build: the local store first, then mirrors and registries. */
export interface ImageProvider {
  resolve(name: string, options: ResolveOptions): Promise<ProvidedImage>;
  /** Makes all layers of an image available; emits status events. `null`: an image without layers. */
  unpack(image: ProvidedImage, context: OpContext): Promise<SnapshotId | null>;
  /** The layers where they are; undefined when there is no need for that: they are all here, or none of them is anywhere else. */
  remoteLayers(image: ProvidedImage): Promise<readonly RemoteLayer[] | undefined>;
}

export interface ResolveOptions {
  readonly platform: Platform;
  /** An image that is here is taken whatever platform it is for. */
  readonly anyPlatform?: boolean | undefined;
  /** Wraps what has to go over the network, e.g. to show it as a step. */
  readonly onRemote?: (<T>(what: string, work: () => Promise<T>) => Promise<T>) | undefined;
}

export interface ProvidedImage {
  /** Normalised name without digest. */
  readonly name: string;
  /** Digest of the platform's manifest. */
  readonly manifest: Digest;
  readonly config: ImageConfig;
}

/** A download of which nothing but the digest is known to hold. */
export interface FetchedFile {
  /** The body, in the store's blobs. */
  readonly digest: Digest;
  /** From Last-Modified; undefined when the server does not say. */
  readonly modifiedMs: number | undefined;
  /** From Content-Disposition or the last part of the final URL; "" when neither gives one. */
  readonly fileName: string;
}

export interface FetchOptions {
  /** Header to log in with; never sent to another origin than the URL's. */
  readonly authorization?: string | undefined;
  /** Only what was downloaded before (W026). */
  readonly offline?: boolean | undefined;
}

export interface HttpFetcher {
  /** Fetches or revalidates (ETag, Last-Modified; both valid for this URL only). */
  fetch(url: string, context: OpContext, options?: FetchOptions): Promise<FetchedFile>;
}
