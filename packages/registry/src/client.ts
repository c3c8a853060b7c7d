import type { Digest } from "@tsbuild/base";
import type { Descriptor, ImageReference } from "@tsbuild/oci";
import { hasCertificates } from "./certificates.ts";
import type { CredentialSource } from "./credentials/types.ts";
import { ExpectedBlobs } from "./expected-blobs.ts";
import { isTransient } from "./failure.ts";
import { canonicalHost, type Endpoint, endpointsOf, type HostConfigs, isLoopback } from "./hosts.ts";
import {
  type CallOptions,
  type FetchedManifest,
  fetchManifest,
  headManifest,
  type PullOptions,
  putManifest,
  type ResolvedManifest,
} from "./manifests.ts";
import { firstThatAnswers } from "./mirrors.ts";
import { OpenedUploads } from "./opened-uploads.ts";
import { pullBlob } from "./pull-blob.ts";
import { asPushFailure, type PushRequest, pushManifests } from "./push.ts";
import { blobExists, type PushBlob, type PushBlobOptions, type PushedBlob, pushBlob } from "./push-blob.ts";
import { attachReferrer, listReferrers } from "./referrers.ts";
import type { Patience } from "./retry.ts";
import { type Target, targetOf } from "./target.ts";
import { drop, Transport } from "./transport.ts";

/**
 * Pulls from and pushes to registries that speak the OCI distribution protocol (distribution-spec; FEATURES section 6). Reading asks a
 * host's mirrors first; writing goes to the host itself. Everything rejects with TSB_RESOLVE (not found, unreachable), TSB_AUTH,
 * TSB_INTEGRITY (bytes are not what their digest says) or, when writing, TSB_EXPORT; the message names repository, host, status, scope
 * and the registry's own words.
 */
export interface RegistryClient {
  /** Gets what a tag or digest names. By digest, other bytes than the digest's are refused (TSB_INTEGRITY). */
  manifest(reference: ImageReference, options?: CallOptions): Promise<FetchedManifest>;
  /** The digest that a tag has now, by HEAD, which rate limits do not count. Undefined when the registry does not tell it. */
  head(reference: ImageReference, options?: CallOptions): Promise<ResolvedManifest | undefined>;
  /**
   * A blob's bytes as they come, resumed by Range when the line breaks; never more than its size. Not verified here: whoever stores them
   * checks the digest.
   */
  blob(reference: ImageReference, blob: Descriptor, options?: PullOptions): AsyncIterable<Uint8Array>;
  exists(reference: ImageReference, digest: Digest, options?: CallOptions): Promise<boolean>;
  /**
   * Asks which blobs a repository has, ahead of a push and while there is other work: that finds connection, token and answers there. Never
   * rejects: what stands in the way is asked again, and told, by the push.
   */
  expectPush(reference: ImageReference, digests: readonly Digest[]): Promise<void>;
  /**
   * Opens that many uploads for blobs that nobody has yet and that are still being made: `pushBlob` takes them, `pushManifests` or `close` cancel
   * those that are left. Never rejects.
   */
  expectUploads(reference: ImageReference, count: number): Promise<void>;
  /** Makes a blob exist in the repository: nothing is sent when it is there or can be mounted from another one. */
  pushBlob(reference: ImageReference, blob: PushBlob, options?: PushBlobOptions): Promise<PushedBlob>;
  /** Puts manifests whose blobs are there, children first, and last the names. Resolves with the digest of the last manifest. */
  pushManifests(request: PushRequest, options?: CallOptions): Promise<Digest>;
  /** Manifests that name `subject` as their subject (R010), by the API or the fallback tag. */
  listReferrers(
    reference: ImageReference,
    subject: Digest,
    options?: CallOptions & { readonly artifactType?: string | undefined },
  ): Promise<readonly Descriptor[]>;
  /** Pushes a manifest that names `subject`, findable by every client; its blobs are there already. */
  attachReferrer(
    reference: ImageReference,
    referrer: {
      readonly subject: Digest;
      readonly manifest: FetchedManifest;
      readonly artifactType: string;
      readonly annotations?: Record<string, string> | undefined;
    },
    options?: CallOptions,
  ): Promise<void>;
  /** Asks `/v2/` with the credentials that the client has: TSB_AUTH when the registry refuses them. */
  ping(host: string, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

export interface RegistryClientOptions {
  readonly hosts: HostConfigs;
  /** Environment for proxies, certificate folders and places of credentials; default: none. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: docker's and podman's files and their helpers, as `env` says where they are. */
  readonly credentials?: CredentialSource | undefined;
  readonly patience?: Partial<Patience> | undefined;
  readonly certificateFolders?: readonly string[] | undefined;
  /** Size of the pieces of an upload for hosts that have no `chunkBytes` of their own. Default: one piece. */
  readonly chunkBytes?: number | undefined;
}

export function createRegistryClient(options: RegistryClientOptions): RegistryClient {
  return new DistributionClient(options);
}

class DistributionClient implements RegistryClient {
  readonly #hosts: HostConfigs;
  readonly #transport: Transport;
  readonly #chunkBytes: number | undefined;
  readonly #schemes = new Map<string, Promise<Endpoint>>();
  readonly #expected = new ExpectedBlobs();
  readonly #uploads = new OpenedUploads();

  constructor(options: RegistryClientOptions) {
    this.#hosts = options.hosts;
    this.#chunkBytes = options.chunkBytes;
    this.#transport = new Transport(options);
  }

  async manifest(reference: ImageReference, options: CallOptions = {}): Promise<FetchedManifest> {
    const targets = await this.#readTargets(reference);
    return firstThatAnswers(targets, (target) => fetchManifest(target, reference, options));
  }

  async head(reference: ImageReference, options: CallOptions = {}): Promise<ResolvedManifest | undefined> {
    const targets = await this.#readTargets(reference);
    return firstThatAnswers(targets, (target) => headManifest(target, reference, options));
  }

  async *blob(
    reference: ImageReference,
    blob: Descriptor,
    options: PullOptions = {},
  ): AsyncGenerator<Uint8Array> {
    const targets = await this.#readTargets(reference);
    yield* pullBlob({ transport: this.#transport, targets, reference, blob, options });
  }

  async exists(reference: ImageReference, digest: Digest, options: CallOptions = {}): Promise<boolean> {
    const target = await this.#writeTarget(reference);
    return blobExists(target, digest, { ...options, what: `looking for ${digest}`, actions: "pull" });
  }

  async expectPush(reference: ImageReference, digests: readonly Digest[]): Promise<void> {
    const what = `asking ${reference.host}`;
    const target = await this.#writeTarget(reference).catch(() => undefined);
    if (target === undefined) return;
    // One where manifests will go, so that this connection is there as well.
    const poolFor = (digest: Digest) => (digest === digests[0] ? "metadata" : "transfers");
    const ask = (digest: Digest) =>
      blobExists(target, digest, { what, actions: "pull,push", retry: false, pool: poolFor(digest) }).catch(
        () => false,
      );
    await this.#expected.ask(target.base, digests, ask);
  }

  async expectUploads(reference: ImageReference, count: number): Promise<void> {
    const target = await this.#writeTarget(reference).catch(() => undefined);
    if (target !== undefined) this.#uploads.open(target, count);
  }

  async pushBlob(
    reference: ImageReference,
    blob: PushBlob,
    options: PushBlobOptions = {},
  ): Promise<PushedBlob> {
    const target = await this.#writeTarget(reference);
    if (await this.#expected.isThere(target.base, blob.digest)) return "present";
    const { chunkBytes = this.#hosts[reference.host]?.chunkBytes ?? this.#chunkBytes, ...rest } = options;
    const what = `pushing ${blob.digest} to ${reference.host}/${reference.repository}`;
    const waiting = () => this.#uploads.take(target);
    return pushBlob(target, blob, { ...rest, chunkBytes, what, waiting }).catch((error: unknown) => {
      throw asPushFailure(error);
    });
  }

  async pushManifests(request: PushRequest, options: CallOptions = {}): Promise<Digest> {
    const target = await this.#writeTarget(request.reference);
    const cancelled = this.#uploads.cancel(target);
    const pushing = pushManifests(request, (manifest, how) => putManifest(target, manifest, how), options);
    return pushing.finally(() => cancelled);
  }

  async listReferrers(
    reference: ImageReference,
    subject: Digest,
    options: CallOptions & { readonly artifactType?: string | undefined } = {},
  ): Promise<readonly Descriptor[]> {
    const { artifactType, ...rest } = options;
    return listReferrers(await this.#writeTarget(reference), { reference, subject, artifactType }, rest);
  }

  async attachReferrer(
    reference: ImageReference,
    referrer: Parameters<RegistryClient["attachReferrer"]>[1],
    options: CallOptions = {},
  ): Promise<void> {
    await attachReferrer(await this.#writeTarget(reference), { reference, ...referrer }, options);
  }

  async ping(host: string, options: CallOptions = {}): Promise<void> {
    const target = await this.#writeTarget({ host: canonicalHost(host), repository: "" });
    const { origin } = new URL(target.endpoint.url);
    const access = { origin, host: target.endpoint.host, repository: "", scopes: [] };
    const url = `${target.endpoint.url}/v2/`;
    const call = { what: `asking ${host}`, url, method: "GET" as const, access, ...options };
    const answer = await this.#transport.send(call);
    if (answer.status !== 200) throw await this.#transport.refusal(call, answer);
    await drop(answer);
  }

  async close(): Promise<void> {
    await this.#uploads.cancelAll();
    await this.#transport.close();
  }

  async #readTargets({ host, repository }: ImageReference): Promise<Target[]> {
    const endpoints = await Promise.all(this.#endpoints(host).map((endpoint) => this.#settled(endpoint)));
    return endpoints.map((endpoint) => targetOf(this.#transport, endpoint, repository));
  }

  async #writeTarget({ host, repository }: Pick<ImageReference, "host" | "repository">): Promise<Target> {
    const own = this.#endpoints(host).at(-1);
    if (own === undefined) throw new Error("assertion failed: a host has an endpoint");
    return targetOf(this.#transport, await this.#settled(own), repository);
  }

  #endpoints(host: string): Endpoint[] {
    const tls = isLoopback(host) ? hasCertificates(this.#transport.dispatchers.tls(host)) : false;
    return endpointsOf(host, this.#hosts, tls);
  }

  /** Finds out once which scheme an insecure host speaks: TLS, whoever signed it, else plain HTTP (R004). */
  #settled(endpoint: Endpoint): Promise<Endpoint> {
    if (endpoint.eitherScheme !== true) return Promise.resolve(endpoint);
    const known = this.#schemes.get(endpoint.url) ?? this.#probe(endpoint);
    this.#schemes.set(endpoint.url, known);
    return known;
  }

  async #probe(endpoint: Endpoint): Promise<Endpoint> {
    const url = `${endpoint.url}/v2/`;
    try {
      await drop(
        await this.#transport.send({ what: `asking ${endpoint.host}`, url, method: "GET", retry: false }),
      );
      return endpoint;
    } catch (error) {
      // Whatever stands in the way of TLS: the real error comes when plain HTTP does not work either.
      if (!(error instanceof Error)) throw error;
      const plain = endpoint.url.replace(/^https:/, "http:");
      return isTransient(error) ? endpoint : { ...endpoint, url: plain };
    }
  }
}
