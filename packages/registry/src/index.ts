export { type Challenge, parseChallenge, parseChallenges } from "./challenge.ts";
export { createRegistryClient, type RegistryClient, type RegistryClientOptions } from "./client.ts";
export { eraseLogin, type StoredLogin, storeLogin } from "./credentials/login.ts";
export { storedCredentials } from "./credentials/source.ts";
export type { Credential, CredentialSource, FoundCredential } from "./credentials/types.ts";
export { createDownloader, type Download, type Downloader, type Validators } from "./download.ts";
export {
  canonicalHost,
  type Endpoint,
  endpointsOf,
  type HostConfig,
  type HostConfigs,
  isLoopback,
  parseMirrors,
} from "./hosts.ts";
export type { CallOptions, FetchedManifest, ResolvedManifest } from "./manifests.ts";
export type { PushRequest } from "./push.ts";
export type { PushBlob, PushBlobOptions, PushedBlob } from "./push-blob.ts";
export { referrersTag } from "./referrers.ts";
export { defaultPatience, type Patience, type RetryNotice } from "./retry.ts";
