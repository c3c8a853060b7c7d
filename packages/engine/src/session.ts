import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode, formatPlatform, hostPlatform, TsbuildError } from "@tsbuild/base";
import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import type {
  HttpFetcher,
  ImageProvider,
  Isolation,
  LocalContext,
  OpsEnvironment,
  SourceRules,
  StepGrants,
} from "@tsbuild/ops";
import { anySource } from "@tsbuild/ops";
import type { Credentials, GitProvider } from "@tsbuild/ops/git";
import type { RegistryClient } from "@tsbuild/registry";
import type { Emulations, NetworkChoice, NetworkPool, Sandbox } from "@tsbuild/sandbox";
import type { Store } from "@tsbuild/store";
import { nativePath } from "./native-path.ts";
import type { Settings } from "./settings.ts";
import { noNamespaceError, userNamespaceReport } from "./user-namespace.ts";

/** Parts that several builds of one engine share; each is loaded when it is first needed and closed with the engine. */
export class Session {
  readonly store: Store;
  readonly settings: Settings;
  readonly isolation: Isolation;
  readonly #registries = new Map<string, Promise<RegistryClient>>();
  readonly #env: Readonly<Record<string, string | undefined>>;
  #http: Promise<HttpFetcher> | undefined;
  #sandbox: Promise<Sandbox> | undefined;
  #emulations: Promise<Emulations> | undefined;
  readonly #networks = new Map<NetworkChoice, Promise<NetworkPool>>();
  readonly #closers: (() => Promise<void>)[] = [];

  constructor(options: {
    readonly store: Store;
    readonly settings: Settings;
    readonly isolation: Isolation;
    readonly env: Readonly<Record<string, string | undefined>>;
  }) {
    this.store = options.store;
    this.#env = options.env;
    this.settings = options.settings;
    this.isolation = options.isolation;
  }

  /** A client with the user's settings, and with what one output allows beyond them. */
  registry(
    options: { readonly insecureHosts: readonly string[] } = { insecureHosts: [] },
  ): Promise<RegistryClient> {
    const key = options.insecureHosts.toSorted().join(" ");
    const known = this.#registries.get(key) ?? this.#openRegistry(options.insecureHosts);
    this.#registries.set(key, known);
    return known;
  }

  async #openRegistry(insecureHosts: readonly string[]): Promise<RegistryClient> {
    const [{ createRegistryClient }, { registryHosts }] = await Promise.all([
      import("@tsbuild/registry"),
      import("./registry-hosts.ts"),
    ]);
    const hosts = registryHosts(this.settings, insecureHosts);
    const client = createRegistryClient({ hosts, env: this.#env, chunkBytes: this.settings.pushChunkBytes });
    this.#closers.push(() => client.close());
    return client;
  }

  http(): Promise<HttpFetcher> {
    this.#http ??= this.#openHttp();
    return this.#http;
  }

  async #openHttp(): Promise<HttpFetcher> {
    const [{ createDownloader }, { createHttpFetcher }] = await Promise.all([
      import("@tsbuild/registry"),
      import("@tsbuild/ops/http"),
    ]);
    const downloader = createDownloader({ env: this.#env });
    this.#closers.push(() => downloader.close());
    return createHttpFetcher(this.store, downloader);
  }

  async sandbox(): Promise<Sandbox> {
    const namespace = userNamespaceReport(this.#env);
    if (namespace?.got === "none" && this.isolation !== "chroot") throw noNamespaceError(namespace);
    this.#sandbox ??= this.#openSandbox();
    return this.#sandbox;
  }

  async #openSandbox(): Promise<Sandbox> {
    const { createChrootSandbox, createOciSandbox, createSandbox } = await import("@tsbuild/sandbox");
    const binary = nativePath("tsbuild-sandbox");
    const onGroup = (path: string) => this.store.removeIfKilled(path);
    if (this.isolation === "chroot") return createChrootSandbox({ binary, onGroup });
    const { ociRuntime } = this.settings;
    if (!ociRuntime) {
      const sandbox = createSandbox({ binary, onGroup, sockets: nativeFs });
      this.#closers.push(async () => sandbox.close());
      return sandbox;
    }
    return createOciSandbox({
      binary,
      runtime: ociRuntime,
      stateFolder: join(this.store.root, "oci-runtime"),
      temporaryFolder: () => this.store.temporaryFolder(),
      path: this.settings.path,
    });
  }

  /** Private networks by who connects them; steps of all builds of this engine share them, one after the other. */
  networks(choice: NetworkChoice): Promise<NetworkPool> {
    let pool = this.#networks.get(choice);
    pool ??= this.#openNetworks(choice);
    this.#networks.set(choice, pool);
    return pool;
  }

  async #openNetworks(choice: NetworkChoice): Promise<NetworkPool> {
    const { createNetworkPool } = await import("@tsbuild/sandbox");
    const pool = createNetworkPool({
      binary: nativePath("tsbuild-sandbox"),
      choice,
      temporaryFolder: () => this.store.temporaryFolder(),
      path: this.settings.path,
      proofFile: join(this.store.root, "network-proof"),
    });
    this.#closers.push(() => pool.close());
    return pool;
  }

  /** Emulators of other machines; steps of all builds of this engine share them. */
  emulations(): Promise<Emulations> {
    this.#emulations ??= this.#openEmulations();
    return this.#emulations;
  }

  async #openEmulations(): Promise<Emulations> {
    const { createEmulations } = await import("@tsbuild/sandbox");
    const emulations = createEmulations({
      binary: nativePath("tsbuild-sandbox"),
      path: this.settings.path,
      temporaryFolder: () => this.store.temporaryFolder(),
    });
    this.#closers.push(() => emulations.close());
    return emulations;
  }

  /** Image sources of one build. */
  async images(options: {
    readonly pull: boolean;
    readonly offline?: boolean;
    readonly keepOwn?: boolean;
    readonly signal: AbortSignal;
  }): Promise<ImageProvider> {
    const { createImageProvider } = await import("@tsbuild/ops");
    return createImageProvider({
      env: { store: this.store, fs: nativeFs, userxattr: inUserNamespace() },
      registry: (name) => (options.offline ? Promise.reject(isOffline(name)) : this.registry()),
      ...options,
    });
  }

  /** Git sources of one build. */
  async git(options: {
    readonly credentials: Credentials;
    readonly offline: boolean;
    readonly signal: AbortSignal;
  }): Promise<GitProvider> {
    const { createGitProvider } = await import("@tsbuild/ops/git");
    return createGitProvider({ env: { store: this.store, fs: nativeFs }, ...options });
  }

  /** What the executors of one build work with. */
  environment(options: {
    readonly images: ImageProvider;
    readonly git?: () => Promise<GitProvider>;
    readonly http?: () => Promise<HttpFetcher>;
    readonly rules?: SourceRules;
    readonly contexts: ReadonlyMap<string, LocalContext>;
    readonly grants: StepGrants;
    readonly networkProvider?: NetworkChoice | undefined;
    readonly keepFailed?: OpsEnvironment["keepFailed"];
    readonly isArg?: OpsEnvironment["isArg"];
    readonly onLargeContext?: OpsEnvironment["onLargeContext"];
    readonly onRunning?: OpsEnvironment["onRunning"];
    readonly isPassedOn?: OpsEnvironment["isPassedOn"];
  }): OpsEnvironment {
    return {
      store: this.store,
      fs: nativeFs,
      sandbox: () => this.sandbox(),
      isolation: this.isolation,
      apparmorProfile: this.settings.apparmorProfile,
      images: async () => options.images,
      http: options.http ?? (() => this.http()),
      git:
        options.git ?? (() => Promise.reject(new Error("assertion failed: a command without git sources"))),
      rules: options.rules ?? anySource,
      contexts: options.contexts,
      emulation: emulationOf(() => this.emulations()),
      networks: () => this.networks(options.networkProvider ?? this.settings.networkProvider),
      resolvConf: (which) => readIfThere(RESOLV_CONF[which]),
      userxattr: inUserNamespace(),
      proxyEnv: [],
      keepFailed: options.keepFailed,
      isArg: options.isArg,
      onLargeContext: options.onLargeContext,
      onRunning: options.onRunning,
      isPassedOn: options.isPassedOn,
      grants: options.grants,
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#closers.map((closer) => closer()));
    await this.store.close();
  }
}

/** Most builds have no step for another platform, and nothing of this is loaded. Once a build says that such steps are slow (W040). */
function emulationOf(open: () => Promise<Emulations>): OpsEnvironment["emulation"] {
  const told = new Set<string>();
  return async (platform, { emit }) => {
    if (platform.architecture === hostPlatform().architecture) return undefined;
    const emulation = await (await open()).emulation(platform);
    const name = formatPlatform(platform);
    if (emulation !== undefined && !told.has(name)) {
      told.add(name);
      const by = emulation.emulator ?? "an emulator that the kernel knows";
      const message = `steps for ${name} run by emulation (${by}): slow. A stage that can compile for another platform need not: FROM --platform=$BUILDPLATFORM`;
      emit({ type: "warning", at: Date.now(), rule: "emulation", message });
    }
    return emulation;
  };
}

function isOffline(name: string): TsbuildError {
  return new TsbuildError("TSB_RESOLVE", `${name} is not here (whole), and the build is offline`, {
    hint: `build once without --offline: ${name.split("/", 1)[0]} would be asked`,
  });
}

const RESOLV_CONF = { host: "/etc/resolv.conf", resolved: "/run/systemd/resolve/resolv.conf" };

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
