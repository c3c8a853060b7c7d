import type { Platform } from "@tsbuild/base";
import { type DockerfileAst, readDockerfile } from "@tsbuild/dockerfile";
import type { Compile, CompiledPlatform, CompileRequest, ImageResolver, Warning } from "./api.ts";
import { type Compilation, compilePlatform, compileTarget } from "./compile-platform.ts";
import { at, mistake } from "./failure.ts";
import { type CheckOptions, NO_OPTIONS, parseCheckOptions } from "./lint/check-options.ts";
import { Linter } from "./lint/linter.ts";
import { RecordingResolver } from "./recording-resolver.ts";
import { unusedArgs } from "./unused-args.ts";

function isMultiPlatform(request: CompileRequest): boolean {
  const given = request.buildArgs["BUILDKIT_MULTI_PLATFORM"];
  if (given) return /^(?:1|t|true)$/i.test(given);
  return request.multiPlatform ?? request.platforms.length > 1;
}

/** Options of the `check` directive, or of the build argument that replaces it (D015). */
function checkOptions(request: CompileRequest, ast: DockerfileAst): CheckOptions {
  const given = request.buildArgs["BUILDKIT_DOCKERFILE_CHECK"];
  if (given !== undefined) return parseCheckOptions(given);
  const { check } = ast;
  return check === undefined ? NO_OPTIONS : at(ast, check.range, () => parseCheckOptions(check.value));
}

/** Warnings of a further platform without those that another one had, too. */
export function newWarnings(known: readonly Warning[], warnings: readonly Warning[]): Warning[] {
  const seen = new Set(known.map((warning) => JSON.stringify(warning)));
  return warnings.filter((warning) => !seen.has(JSON.stringify(warning)));
}

/** A file that was read, and what of its checks is wanted. */
export interface StartedCompilation {
  readonly compilation: Compilation;
  readonly options: CheckOptions;
}

/** Reads the file of a request. Throws TSB_DOCKERFILE at its first mistake. */
export function startCompilation(request: CompileRequest, imageResolver: ImageResolver): StartedCompilation {
  const { ast, program } = readDockerfile(request.text, { file: request.file });
  if (program.stages.length === 0)
    throw mistake(`${request.file} has no stage to build`, "start with FROM, e.g. FROM debian:bookworm");
  const options = checkOptions(request, ast);
  const resolver = new RecordingResolver(imageResolver);
  return {
    compilation: {
      request,
      ast,
      program,
      resolver,
      multiPlatform: isMultiPlatform(request),
      declaredArgs: new Set<string>(),
    },
    options,
  };
}

/** What `run` makes of the file for each platform. `warnings` gets what is found also when it ends in an error. */
async function forPlatforms<T>(
  { compilation, options }: StartedCompilation,
  warnings: Warning[],
  run: (compilation: Compilation, platform: Platform | undefined, linter: Linter) => Promise<T>,
): Promise<T[]> {
  const platforms: T[] = [];
  const wanted = compilation.request.platforms.length === 0 ? [undefined] : compilation.request.platforms;
  for (const platform of wanted) {
    const linter = new Linter(options);
    try {
      platforms.push(await run(compilation, platform, linter));
    } finally {
      warnings.push(...newWarnings(warnings, linter.warnings()));
    }
  }
  return platforms;
}

/** Compiles for all platforms. `warnings` gets what is found also when it ends in an error. */
export function compilePlatforms(
  started: StartedCompilation,
  warnings: Warning[],
): Promise<CompiledPlatform[]> {
  return forPlatforms(started, warnings, compilePlatform);
}

/** The same for what is found alone. A file may have 100,000 instructions: naming the vertices of them takes as long as all else. */
export async function checkPlatforms(started: StartedCompilation, warnings: Warning[]): Promise<void> {
  await forPlatforms(started, warnings, compileTarget);
}

/**
 * Compiles a Dockerfile: one graph and image config per platform. Only configs of base images are asked for. The
 * result is plain data apart from `Map`s in source maps (`graphToJson` stores a graph).
 */
export const compile: Compile = async (request, imageResolver) => {
  const started = startCompilation(request, imageResolver);
  const warnings: Warning[] = [];
  const platforms = await compilePlatforms(started, warnings);
  warnings.push(...unusedArgs(Object.keys(request.buildArgs), started.compilation.declaredArgs));
  return { platforms, warnings, ...started.compilation.resolver.records() };
};
