import { parse, parseInstructions } from "@tsbuild/dockerfile";
import type { Compile, CompiledPlatform, CompileRequest, Warning } from "./api.ts";
import { type Compilation, compilePlatform } from "./compile-platform.ts";
import { mistake } from "./failure.ts";
import { Linter } from "./lint/linter.ts";
import { RecordingResolver } from "./recording-resolver.ts";

function isMultiPlatform(request: CompileRequest): boolean {
  const given = request.buildArgs["BUILDKIT_MULTI_PLATFORM"];
  if (given) return /^(?:1|t|true)$/i.test(given);
  return request.multiPlatform ?? request.platforms.length > 1;
}

/** The same warning of several platforms is one. */
function uniqueWarnings(warnings: readonly Warning[]): Warning[] {
  const unique = new Map(warnings.map((warning) => [JSON.stringify(warning), warning]));
  return [...unique.values()];
}

/**
 * Compiles a Dockerfile: one graph and image config per platform. Only configs of base images are asked for. The
 * result is plain data apart from `Map`s in source maps (`graphToJson` stores a graph).
 */
export const compile: Compile = async (request, imageResolver) => {
  const ast = parse(request.text, { file: request.file });
  const program = parseInstructions(ast);
  if (program.stages.length === 0)
    throw mistake(`${request.file} has no stage to build`, "start with FROM, e.g. FROM debian:bookworm");
  const resolver = new RecordingResolver(imageResolver);
  const compilation: Compilation = {
    request,
    ast,
    program,
    resolver,
    multiPlatform: isMultiPlatform(request),
  };
  const platforms: CompiledPlatform[] = [];
  const warnings: Warning[] = [];
  const wanted = request.platforms.length === 0 ? [undefined] : request.platforms;
  for (const platform of wanted) {
    const linter = new Linter(compilation);
    platforms.push(await compilePlatform(compilation, platform, linter));
    warnings.push(...linter.warnings());
  }
  return { platforms, warnings: uniqueWarnings(warnings), images: resolver.records() };
};
