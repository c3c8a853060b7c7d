import { readDockerfile } from "@tsbuild/dockerfile";
import { stateOf } from "@tsbuild/llb";
import type { CompileRequest, IncludedFile } from "./api.ts";
import { compilePlatform } from "./compile-platform.ts";
import { mistake } from "./failure.ts";
import { NO_OPTIONS } from "./lint/check-options.ts";
import { Linter } from "./lint/linter.ts";
import type { LoadedContext, LoadRequest, NamedContext } from "./named-context.ts";
import { formatFullPlatform } from "./platform.ts";
import type { RecordingResolver } from "./recording-resolver.ts";

/** Files that stand in for names in one another. */
const DEEPEST = 16;

/** What was compiled with one resolver, so in one compilation: a file is read once, however many stages are FROM it. */
const compiled = new WeakMap<RecordingResolver, Map<string, Promise<LoadedContext>>>();

function includedRequest(name: string, included: IncludedFile, load: LoadRequest): CompileRequest {
  const { request, platform } = load;
  const includedBy = [...(request.includedBy ?? []), name];
  if (includedBy.length > DEEPEST)
    throw mistake(`Dockerfiles stand in for one another ${DEEPEST} deep: ${includedBy.join(" → ")}`);
  const { file, text, ignore, target } = included;
  return {
    ...request,
    ...{ file, text, ignore, target, includedBy },
    // It has a context of its own, and labels are for what is built.
    ...{
      context: undefined,
      contextIsArchive: undefined,
      labels: {},
      platforms: [platform],
      allStages: false,
    },
  };
}

/**
 * A stage of another Dockerfile as an image (W020): with the same arguments and platform, on its own context. Its warnings are for who builds it
 * by itself.
 */
export function compileIncluded(context: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  const { request, resolver, platform } = load;
  const known = compiled.get(resolver) ?? new Map<string, Promise<LoadedContext>>();
  compiled.set(resolver, known);
  const key = JSON.stringify([request.includedBy ?? [], context.name, formatFullPlatform(platform)]);
  const loaded = known.get(key) ?? compileFile(context, load);
  known.set(key, loaded);
  return loaded;
}

async function compileFile({ name, spec }: NamedContext, load: LoadRequest): Promise<LoadedContext> {
  const included = load.request.includedFiles?.[spec.slice("dockerfile:".length)];
  if (included === undefined) throw mistake(`there is no Dockerfile ${spec} for the context ${name}`);
  const request = includedRequest(name, included, load);
  const { ast, program } = readDockerfile(request.text, { file: request.file });
  if (program.stages.length === 0) throw mistake(`${request.file} has no stage to build`);
  const { resolver, platform, declaredArgs } = load;
  const compilation = { request, ast, program, resolver, multiPlatform: false, declaredArgs };
  const { graph, image } = await compilePlatform(compilation, platform, new Linter(NO_OPTIONS));
  return { state: stateOf(graph), image };
}
