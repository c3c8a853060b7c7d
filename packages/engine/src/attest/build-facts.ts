import { type Digest, formatPlatform, hideCredentials, hostPlatform } from "@tsbuild/base";
import type { CommittedImage } from "@tsbuild/export";
import { type Graph, graphToJson, sourcesOf, type Vertex } from "@tsbuild/llb";
import { mediaTypes } from "@tsbuild/oci/documents";
import type { PreparedRequest } from "../request.ts";
import {
  commitDigest,
  type FoundSources,
  localsOf,
  type Material,
  materialsOf,
  withoutUser,
} from "./materials.ts";
import type { ProvenanceOptions } from "./options.ts";
import type { VcsInfo } from "./vcs.ts";

/** What both versions of a provenance are written from. */
export interface BuildFacts {
  readonly options: ProvenanceOptions;
  readonly invocationId: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly finishedAt: number;
  /** The Dockerfile, and the place that it and its context are from when that is not a folder here. */
  readonly config: {
    readonly uri?: string;
    readonly digest?: Readonly<Record<string, string>>;
    readonly path: string;
  };
  readonly request: RequestFacts;
  readonly materials: readonly Material[];
  /** Every material is known by its digest, and nothing else can have come in. */
  readonly materialsComplete: boolean;
  /** No step had a network. */
  readonly hermetic: boolean;
  readonly builderPlatform: string;
  /** With mode=max. */
  readonly definition?: DefinitionFacts | undefined;
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

export interface RequestFacts {
  readonly frontend: "dockerfile.v0";
  readonly args?: Readonly<Record<string, string>> | undefined;
  readonly locals?: readonly { readonly name: string }[] | undefined;
  readonly secrets?: readonly { readonly id: string; readonly optional?: true }[] | undefined;
  readonly ssh?: readonly { readonly id: string; readonly optional?: true }[] | undefined;
  /** Nothing of the request was left out. */
  readonly complete: boolean;
}

/** The steps as BuildKit numbers them, and which step is which vertex. */
export interface DefinitionFacts {
  readonly llbDefinition: readonly unknown[];
  readonly digestMapping: Readonly<Record<string, string>>;
}

export interface FactSources {
  readonly options: ProvenanceOptions;
  readonly prepared: PreparedRequest;
  readonly graph: Graph;
  readonly image: CommittedImage;
  readonly found: FoundSources;
  readonly startedAt: number;
  readonly finishedAt: number;
  readonly invocationId: string;
  readonly vcs: VcsInfo | undefined;
  /** Build arguments with the values that they had. */
  readonly args: Readonly<Record<string, string>>;
  /** Takes the values of secrets out of a text. */
  readonly hide: (text: string) => string;
}

/** Names of what steps mount, never a value; a name is optional when no step insists on it. */
function mounted(graph: Graph, type: "secret" | "ssh"): { id: string; optional?: true }[] {
  const needed = new Map<string, boolean>();
  const note = (id: string, optional: boolean) => needed.set(id, (needed.get(id) ?? false) || !optional);
  for (const {
    op: { kind },
  } of graph.vertices) {
    if (kind.type !== "exec") continue;
    for (const mount of kind.mounts) {
      const options = mount.type === type ? mount[type] : undefined;
      if (options !== undefined) note(options.id, options.optional);
    }
    if (type === "secret") for (const { id, optional } of kind.secretEnv) note(id, optional);
  }
  return [...needed].sort().map(([id, isNeeded]) => (isNeeded ? { id } : { id, optional: true }));
}

/** Names of the folders of this machine that steps read. A context that was fetched is in one, too, but is known by its URL. */
function readHere({ graph, prepared }: Pick<FactSources, "graph" | "prepared">): string[] {
  const isFetched = prepared.request.context.type === "remote" && prepared.contextValue !== undefined;
  return localsOf(graph).filter((name) => !isFetched || name !== "context");
}

function requestFacts({ options, prepared, graph, args }: FactSources): RequestFacts {
  const { request } = prepared;
  const open = {
    ...(request.target === undefined ? {} : { target: request.target }),
    ...(request.network === "default" ? {} : { "force-network-mode": request.network }),
    ...(request.platforms.length === 0 ? {} : { platform: request.platforms.map(formatPlatform).join(",") }),
  };
  const closed = Object.fromEntries([
    ...Object.entries(args).map(([name, value]) => [`build-arg:${name}`, value]),
    ...Object.entries(request.labels).map(([name, value]) => [`label:${name}`, value]),
  ]) as Record<string, string>;
  const [secrets, ssh] = [mounted(graph, "secret"), mounted(graph, "ssh")];
  const locals = readHere({ graph, prepared }).map((name) => ({ name }));
  const isMax = options.mode === "max";
  const shownArgs = isMax ? { ...open, ...closed } : open;
  return {
    frontend: "dockerfile.v0",
    ...(Object.keys(shownArgs).length === 0 ? {} : { args: shownArgs }),
    ...(locals.length === 0 ? {} : { locals }),
    ...(isMax && secrets.length > 0 ? { secrets } : {}),
    ...(isMax && ssh.length > 0 ? { ssh } : {}),
    complete: isMax || Object.keys(closed).length + secrets.length + ssh.length === 0,
  };
}

function configSource({ prepared }: FactSources): BuildFacts["config"] {
  const { request, dockerfile } = prepared;
  const path = dockerfile.file.split("/").at(-1) ?? "Dockerfile";
  if (request.context.type !== "remote") return { path };
  const { url } = request.context;
  const value = prepared.contextValue;
  const uri = withoutUser(url);
  if (value === undefined) return { uri, path };
  const digest = value.startsWith("sha256:")
    ? { sha256: value.slice("sha256:".length) }
    : commitDigest(value);
  return { uri, digest, path };
}

function stepName(index: number): string {
  return `step${index}`;
}

/** A context that was fetched is a folder in the graph, and what it was fetched from to everybody else. */
function asNamed(fields: Readonly<Record<string, unknown>>, { contextSource }: PreparedRequest) {
  const isContext = fields["identifier"] === "local://context" && contextSource !== undefined;
  return isContext ? contextSource : fields;
}

function definitionOf({ graph, prepared }: FactSources): DefinitionFacts {
  const names = new Map(graph.vertices.map(({ digest }, index) => [digest as string, stepName(index)]));
  const inputsOf = (inputs: Vertex["op"]["inputs"]) =>
    inputs.map(({ digest, index }) => `${names.get(digest) ?? digest}:${index}`);
  const steps = graphToJson(graph).vertices.map(([, stored], index) => {
    const { kind, platform, constraints } = stored as Vertex["op"];
    const { type, ...fields } = kind;
    const inputs = inputsOf(graph.vertices[index]?.op.inputs ?? []);
    return {
      id: stepName(index),
      op: {
        Op: { [type]: asNamed(fields, prepared) },
        platform: platform && goPlatform(platform),
        constraints: { filter: constraints },
      },
      ...(inputs.length === 0 ? {} : { inputs }),
    };
  });
  const result =
    graph.result === null ? [] : [{ id: stepName(steps.length), inputs: inputsOf([graph.result]) }];
  return { llbDefinition: [...steps, ...result], digestMapping: Object.fromEntries(names) };
}

/** Field names of BuildKit's `pb.Platform`. */
function goPlatform({ os, architecture, variant, osVersion }: NonNullable<Vertex["op"]["platform"]>) {
  return { Architecture: architecture, OS: os, Variant: variant, OSVersion: osVersion };
}

/** The Dockerfile, which lines each step is of, and the layers of the result (X030, with mode=max). */
function metadataOf({ graph, image, vcs, hide }: FactSources, { digestMapping }: DefinitionFacts) {
  const { result } = graph;
  const sources = sourcesOf(graph);
  const locations = Object.fromEntries(
    sources.flatMap((source, index) =>
      Array.from(source.locations, ([digest, ranges]) => [
        digestMapping[digest] ?? digest,
        {
          locations: [
            {
              ...(index === 0 ? {} : { sourceIndex: index }),
              ranges: ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })),
            },
          ],
        },
      ]),
    ),
  );
  const infos = sources.map(({ file, language, text }) => ({
    filename: file,
    language,
    data: Buffer.from(hideCredentials(hide(text))).toString("base64"),
  }));
  const here = image.layers.map(({ diffId, sizeBytes }) => ({
    mediaType: mediaTypes.ociLayer,
    digest: diffId as string as Digest,
    size: sizeBytes,
  }));
  const remote = image.remote?.map(({ blob: { mediaType, digest, size } }) => ({ mediaType, digest, size }));
  const layers = remote ?? here;
  return {
    ...(vcs === undefined ? {} : { vcs }),
    source: { locations, infos },
    ...(result === null
      ? {}
      : { layers: { [`${digestMapping[result.digest] ?? ""}:${result.index}`]: [layers] } }),
  };
}

/** Every text of a value, also keys, without what must not be told. */
function hidden(value: unknown, hide: (text: string) => string): unknown {
  if (typeof value === "string") return hide(value);
  if (Array.isArray(value)) return value.map((item) => hidden(item, hide));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [hide(key), hidden(field, hide)]));
}

/** Collects what is known of a build for a provenance. What is a secret's value anywhere in it is masked, and so are the passwords of URLs. */
export function buildFacts(sources: FactSources): BuildFacts {
  const { options, graph, found, startedAt, finishedAt, invocationId, vcs, hide } = sources;
  const materials = materialsOf(graph, found);
  const hermetic = graph.vertices.every(
    ({ op: { kind } }) => kind.type !== "exec" || kind.network === "none",
  );
  const isMax = options.mode === "max";
  const definition = isMax ? definitionOf(sources) : undefined;
  const metadata =
    definition === undefined ? (vcs === undefined ? undefined : { vcs }) : metadataOf(sources, definition);
  const facts: BuildFacts = {
    options,
    invocationId,
    startedAt,
    finishedAt,
    config: configSource(sources),
    request: requestFacts(sources),
    materials: withContext(materials, configSource(sources)),
    materialsComplete:
      hermetic && readHere(sources).length === 0 && materials.every(({ digest }) => digest !== undefined),
    hermetic,
    builderPlatform: formatPlatform(hostPlatform()),
    definition,
    metadata,
  };
  return hidden(facts, (text) => hideCredentials(hide(text))) as BuildFacts;
}

/** A context that was fetched is a material like others. */
function withContext(
  materials: readonly Material[],
  { uri, digest }: BuildFacts["config"],
): readonly Material[] {
  if (uri === undefined) return materials;
  return [{ uri, ...(digest === undefined ? {} : { digest }) }, ...materials];
}
