import { type HostConfig, parseMirrors } from "@tsbuild/registry";
import type { Settings } from "./settings.ts";

/** Registry hosts of the configuration file, with what environment and flags add to them. */
export function registryHosts(
  settings: Settings,
  insecureHosts: readonly string[],
): Record<string, HostConfig> {
  const hosts: Record<string, HostConfig> = { ...settings.registries };
  for (const [host, { mirrors: urls = [] }] of Object.entries(parseMirrors(settings.mirror ?? ""))) {
    hosts[host] = { ...hosts[host], mirrors: [...urls, ...(hosts[host]?.mirrors ?? [])] };
  }
  for (const host of [...settings.insecureHosts, ...insecureHosts])
    hosts[host] = { ...hosts[host], insecure: true };
  return hosts;
}
