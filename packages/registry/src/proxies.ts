import { BlockList, isIP } from "node:net";
import { isLoopback } from "./hosts.ts";

type Env = Readonly<Record<string, string | undefined>>;

function variable(env: Env, name: string): string | undefined {
  // Lower case first, as curl has it; an empty one means none.
  return env[name.toLowerCase()] || env[name.toUpperCase()] || undefined;
}

function inSubnet(address: string, entry: string): boolean {
  const [net = "", bits = ""] = entry.split("/");
  const family = isIP(net) === 6 ? "ipv6" : "ipv4";
  if (isIP(net) === 0 || isIP(address) !== isIP(net) || !/^\d{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === "ipv6" ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(net, Number(bits), family);
  return list.check(address, family);
}

function excludes(entry: string, url: URL): boolean {
  if (entry === "*") return true;
  const name = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (entry.includes("/")) return inSubnet(name, entry);
  const [, host = entry, port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
  const effective = url.port || (url.protocol === "https:" ? "443" : "80");
  if (port !== undefined && isIP(entry) === 0 && port !== effective) return false;
  const suffix = host.replace(/^\*?\./, "").toLowerCase();
  return name === suffix || name.endsWith(`.${suffix}`);
}

/** The proxy for a URL (C058): HTTP_PROXY, HTTPS_PROXY, ALL_PROXY without NO_PROXY's hosts. Loopback is never asked through one. */
export function proxyFor(target: string, env: Env): string | undefined {
  const url = new URL(target);
  if (isLoopback(url.host)) return undefined;
  const proxy =
    variable(env, url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY") ?? variable(env, "ALL_PROXY");
  if (proxy === undefined) return undefined;
  const none = (variable(env, "NO_PROXY") ?? "").split(/[\s,]+/).filter((entry) => entry !== "");
  if (none.some((entry) => excludes(entry, url))) return undefined;
  return /^[a-z]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}
