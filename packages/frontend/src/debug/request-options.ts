import type { CompileRequest } from "../api.ts";
import { normalizePlatform, parsePlatform } from "../platform.ts";

type Options = Readonly<Record<string, string>>;

function prefixed(options: Options, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

function noCacheOf(value: string | undefined): CompileRequest["noCache"] {
  if (value === undefined) return "none";
  return value === "" ? "all" : value.split(",");
}

function pairs(text: string | undefined, separator: string): string[][] {
  return text === undefined ? [] : text.split(",").map((entry) => entry.split(separator));
}

export interface DebugSource {
  readonly file: string;
  readonly text: string;
  readonly ignore?: CompileRequest["ignore"];
}

/**
 * The request that BuildKit's frontend options (`target`, `build-arg:NAME`, `context:NAME` …) stand for. The build
 * platform is linux/amd64, so that dumps are the same everywhere. `platform`: one of those that the options list.
 */
export function requestOfOptions(source: DebugSource, options: Options, platform?: string): CompileRequest {
  const network = options["force-network-mode"];
  const platforms = platform ?? options["platform"];
  return {
    file: source.file,
    text: source.text,
    ignore: source.ignore,
    target: options["target"],
    platforms: platforms?.split(",").map((one) => normalizePlatform(parsePlatform(one))) ?? [],
    buildPlatform: { os: "linux", architecture: "amd64" },
    buildArgs: prefixed(options, "build-arg:"),
    labels: prefixed(options, "label:"),
    namedContexts: prefixed(options, "context:"),
    context: options["context"],
    noCache: noCacheOf(options["no-cache"]),
    network: network === "host" || network === "none" ? network : "default",
    addHosts: pairs(options["add-hosts"], "=").map(([host = "", ip = ""]) => ({ host, ip })),
    ulimits: pairs(options["ulimit"], "=").map(([name = "", range = ""]) => {
      const [soft = "", hard = soft] = range.split(":");
      return { name, soft: Number(soft), hard: Number(hard) };
    }),
    shmSizeBytes: options["shm-size"] === undefined ? undefined : Number(options["shm-size"]),
    cgroupParent: options["cgroup-parent"],
    hostname: options["hostname"],
    resolveMode: options["image-resolve-mode"] as CompileRequest["resolveMode"],
    multiPlatform: (options["platform"] ?? "").includes(","),
  };
}
