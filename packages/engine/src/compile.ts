import { formatPlatform, hideCredentials, type Platform, sha256Fields } from "@tsbuild/base";
import type { Compiled, CompiledPlatform, CompileRequest, ImageResolver } from "@tsbuild/frontend";
import { type GraphJson, graphFromJson, graphToJson } from "@tsbuild/llb";
import type { Store } from "@tsbuild/store";
import { builtInNotice, refuseForeignSyntax } from "./syntax.ts";
import { VERSION } from "./version.ts";

const KIND = "compiled-6";

/** Everything that a compilation depends on but the base images, which are checked when it is read back. */
function compileKey(request: CompileRequest): string {
  const sorted = (record: Readonly<Record<string, string>>): string =>
    JSON.stringify(Object.entries(record).sort());
  return sha256Fields([
    VERSION,
    request.file,
    request.text,
    request.ignore === undefined ? null : request.ignore.file,
    request.ignore === undefined ? null : request.ignore.text,
    request.target ?? null,
    JSON.stringify(request.platforms.map(formatPlatform)),
    formatPlatform(request.buildPlatform),
    sorted(request.buildArgs),
    sorted(request.labels),
    sorted(request.namedContexts),
    request.context ?? null,
    request.contextEpochSeconds === undefined ? null : String(request.contextEpochSeconds),
    request.reproducible === undefined ? null : String(request.reproducible.epochSeconds),
    JSON.stringify(request.noCache),
    request.network,
    JSON.stringify(request.addHosts),
    JSON.stringify(request.ulimits),
    JSON.stringify([
      request.shmSizeBytes,
      request.cgroupParent,
      request.hostname,
      request.resolveMode,
      request.multiPlatform,
      request.contextIsArchive,
      request.allStages,
      request.secretNames,
    ]),
    JSON.stringify(Object.entries(request.contextIgnores ?? {}).sort()),
    JSON.stringify(Object.entries(request.includedFiles ?? {}).sort()),
  ]);
}

/** A compiled Dockerfile as it is stored: graphs in their JSON form. */
interface StoredCompiled extends Omit<Compiled, "platforms"> {
  readonly platforms: readonly StoredPlatform[];
}

interface StoredPlatform extends Omit<CompiledPlatform, "graph" | "sbomExtras"> {
  readonly graph: GraphJson;
  readonly sbomExtras?: readonly { readonly name: string; readonly graph: GraphJson }[] | undefined;
}

/** Whether a text has the password of a URL in it, and not only `https://$TOKEN@host`, which names one. */
function hasCredentials(text: string): boolean {
  const plain = text.replace(/:\/\/(?:\$\{?\w+\}?:?)+@/g, "://");
  return hideCredentials(plain) !== plain;
}

/** As it is remembered; undefined for what is not to be written down. Only the Dockerfile has such a password then. */
function store(compiled: Compiled): Uint8Array | undefined {
  const platforms = compiled.platforms.map((one) => ({
    ...one,
    graph: graphToJson(one.graph),
    sbomExtras: one.sbomExtras?.map(({ name, graph }) => ({ name, graph: graphToJson(graph) })),
  }));
  const stored: StoredCompiled = { ...compiled, platforms };
  const text = JSON.stringify(stored);
  return hasCredentials(text) ? undefined : Buffer.from(text);
}

function restore(bytes: Uint8Array): Compiled {
  const stored = JSON.parse(Buffer.from(bytes).toString("utf8")) as StoredCompiled;
  return {
    ...stored,
    platforms: stored.platforms.map(({ sbomExtras, ...one }) => ({
      ...one,
      graph: graphFromJson(one.graph),
      ...(sbomExtras === undefined
        ? {}
        : { sbomExtras: sbomExtras.map(({ name, graph }) => ({ name, graph: graphFromJson(graph) })) }),
    })),
  };
}

/** Whether base images and the times of sources (D056) are what they were. */
async function stillHolds({ images, sourceTimes }: Compiled, resolver: ImageResolver): Promise<boolean> {
  const times = sourceTimes.map(async ({ identifier, attrs, seconds }) => {
    const now = await resolver.sourceTime?.({ identifier, attrs });
    return now === seconds;
  });
  const now = await Promise.all([
    ...times,
    ...images.map(({ name, platform, digest }): Promise<boolean> => {
      const resolved = resolver.resolve(name, { platform: platform as Platform });
      // What fails, the compilation tells, with the line of the FROM.
      return resolved.then(
        (now) => now.digest === digest,
        () => false,
      );
    }),
  ]);
  return now.every((same) => same);
}

/** A name that could not be resolved is not asked for again: that may take as long as it did, and the error is the same. */
function rememberFailures(asked: ImageResolver): ImageResolver {
  const failures = new Map<string, unknown>();
  const sourceTime = asked.sourceTime?.bind(asked);
  return {
    ...(sourceTime === undefined ? {} : { sourceTime }),
    resolve: async (name, options) => {
      const key = `${name} ${formatPlatform(options.platform)}`;
      if (failures.has(key)) throw failures.get(key);
      try {
        return await asked.resolve(name, options);
      } catch (error) {
        failures.set(key, error);
        throw error;
      }
    },
  };
}

/**
 * Compiles a Dockerfile, or takes the graph of an earlier build of the same text and options with the same base images and times of sources: then neither the
 * parser nor the frontend is loaded, which is most of what a fully cached build would otherwise cost.
 */
export async function compileDockerfile(
  state: Store,
  request: CompileRequest,
  asked: ImageResolver,
): Promise<Compiled> {
  const key = compileKey(request);
  const resolver = rememberFailures(asked);
  const known = state.memo.get(KIND, key);
  if (known !== undefined) {
    const compiled = restore(known);
    if (await stillHolds(compiled, resolver)) return compiled;
  }
  await refuseForeignSyntax(request);
  const { compile } = await import("@tsbuild/frontend");
  const notice = await builtInNotice(request);
  const found = await compile(request, resolver);
  const compiled = { ...found, warnings: [...notice, ...found.warnings] };
  const stored = store(compiled);
  if (stored !== undefined) state.memo.set(KIND, key, stored);
  return compiled;
}
