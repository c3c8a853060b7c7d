import { formatPlatform, hideCredentials, type Platform } from "@tsbuild/base";
import { defer, http, image as imageSource, local, ociLayout, type State, scratch } from "@tsbuild/llb";
import { familiarName, formatReference, type ImageConfig, parseReference } from "@tsbuild/oci";
import type { CompileRequest } from "./api.ts";
import { mistake } from "./failure.ts";
import { gitSource, parseGitReference } from "./git-source.ts";
import { ignorePatterns } from "./ignore.ts";
import { neededPaths } from "./paths.ts";
import { normalizePlatform } from "./platform.ts";
import type { RecordingResolver } from "./recording-resolver.ts";

/** A `--build-context` that stands in for a name (D071). */
export interface NamedContext {
  /** As it was given, perhaps with `::platform`. */
  readonly name: string;
  /** What it is: `docker-image://…`, `local:NAME`, a URL. */
  readonly spec: string;
}

export interface LoadedContext {
  readonly state: State;
  /** Absent for contexts that are only files. */
  readonly image?: ImageConfig | undefined;
}

/** Name under which contexts are looked up: as people write image names, without the tag `latest`. */
function lookupName(name: string): string {
  return familiarName(parseReference(name)).replace(/:latest$/, "");
}

/** The named context for `name`, one for the platform before one for all. `scratch` and `context` have none. */
export function findNamedContext(
  request: CompileRequest,
  name: string,
  platform: Platform,
): NamedContext | undefined {
  if (/^(?:scratch|context)$/i.test(name)) return undefined;
  const { includedBy = [] } = request;
  if (Object.keys(request.namedContexts).length === 0) return undefined;
  const familiar = lookupName(name);
  for (const key of [`${familiar}::${formatPlatform(normalizePlatform(platform))}`, familiar]) {
    const spec = Object.hasOwn(request.namedContexts, key) ? request.namedContexts[key] : undefined;
    // In a file that stands in for a name, the name is what it always was: FROM debian is how one's own debian begins.
    if (spec !== undefined && !includedBy.includes(key)) return { name: key, spec };
  }
  return undefined;
}

export interface LoadRequest {
  readonly request: CompileRequest;
  readonly resolver: RecordingResolver;
  readonly platform: Platform;
  /** Paths that are needed of a local folder; read when the graph is made. */
  readonly paths: ReadonlySet<string>;
  /** Gets the names of ARGs of an included file. */
  readonly declaredArgs: Set<string>;
}

async function loadImage(context: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  const written = context.spec.replace(/^docker-image:(?:\/\/)?/, "");
  if (written === "scratch") return { state: scratch() };
  const name = formatReference(parseReference(written));
  const { platform } = load;
  const { config, digest } = await load.resolver.resolve(name, platform);
  const annotations = { name: `[context ${context.name}] ${written}` };
  return { state: imageSource(name, { platform, digest, annotations }), image: config };
}

async function loadLayout(context: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  const written = context.spec.replace(/^oci-layout:(?:\/\/)?/, "");
  const at = written.lastIndexOf("@");
  if (at < 0)
    throw mistake(
      `the OCI layout ${JSON.stringify(written)} of the context ${context.name} has no digest`,
      "write it as oci-layout://NAME@sha256:…",
    );
  const storeId = written.slice(0, at).replace(/:[^/:]*$/, "");
  const { platform } = load;
  const { config } = await load.resolver.resolve(`oci-layout://${written}`, platform);
  const name = `${formatReference({ ...parseReference(context.name.split("::")[0] as string), tag: undefined })}${written.slice(at)}`;
  const annotations = { name: `[context ${context.name}] OCI load from client` };
  return { state: ociLayout(name, { platform, storeId, annotations }), image: config };
}

function loadLocal(context: NamedContext, load: LoadRequest): LoadedContext {
  const folder = context.spec.slice("local:".length);
  const ignore = load.request.contextIgnores?.[folder];
  const state = defer(() =>
    local(folder, {
      followPaths: neededPaths(load.paths),
      excludePatterns: ignore === undefined ? [] : ignorePatterns(ignore),
      sharedKeyHint: `context:${context.name}-`,
      annotations: { name: `[context ${context.name}] load from client` },
    }),
  );
  return { state };
}

function loadUrl(context: NamedContext): LoadedContext {
  const { name, spec } = context;
  const git = parseGitReference(spec);
  if (git !== undefined)
    return { state: gitSource(git, { name: `[internal] load git source ${hideCredentials(spec)}` }) };
  if (!/^https?:/.test(spec))
    throw mistake(`${JSON.stringify(hideCredentials(spec))} of the context ${name} is not a git URL`);
  return {
    state: http(spec, {
      filename: "context",
      annotations: { name: `[context ${name}] ${hideCredentials(spec)}` },
    }),
  };
}

async function loadFile(context: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  // Not an import of the module: a file is compiled by what asks for contexts.
  const { compileIncluded } = await import("./included-file.ts");
  return compileIncluded(context, load);
}

const HINT =
  "a context is docker-image://…, oci-layout://…@sha256:…, local:…, dockerfile:…, or a git or http URL";

/** The filesystem of a named context, and its image config when it is an image. */
export async function loadNamedContext(context: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  const { spec, name } = context;
  const scheme = spec.slice(0, Math.max(spec.indexOf(":"), 0));
  if (scheme === "docker-image") return loadImage(context, load);
  if (scheme === "oci-layout") return loadLayout(context, load);
  if (scheme === "dockerfile") return loadFile(context, load);
  if (scheme === "local") return loadLocal(context, load);
  if (["http", "https", "git", "ssh"].includes(scheme) || spec.startsWith("git@")) return loadUrl(context);
  throw mistake(`the context ${name} cannot be ${JSON.stringify(hideCredentials(spec))}`, HINT);
}
