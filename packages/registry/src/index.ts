export { type Challenge, parseChallenge } from "./challenge.ts";
export { createRegistryClient, type FetchedManifest, type RegistryClient } from "./client.ts";
export { createDownloader, type Download, type Downloader, type Validators } from "./download.ts";
export {
  type Endpoint,
  endpointsOf,
  type HostConfig,
  type HostConfigs,
  isLoopback,
  parseMirrors,
} from "./hosts.ts";
