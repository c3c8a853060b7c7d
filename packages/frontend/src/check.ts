import { type LineRange, type Platform, TsbuildError } from "@tsbuild/base";
import { checkDockerfile, type DockerfileAst } from "@tsbuild/dockerfile";
import type { CompileRequest, ImageResolver, ResolvedImage, Warning } from "./api.ts";
import { checkPlatforms, newWarnings, type StartedCompilation, startCompilation } from "./compile.ts";
import { severityOf } from "./lint/catalogue/index.ts";
import { Linter } from "./lint/linter.ts";
import { checkOwnRules } from "./lint/own/index.ts";
import type { Severity } from "./lint/rule-page.ts";
import { unusedArgs } from "./unused-args.ts";

/** One finding of a check. */
export interface Diagnostic {
  readonly severity: Severity;
  /** Absent for errors and remarks that no rule stands behind. */
  readonly rule?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly url?: string | undefined;
  /** In `file`; empty when it has no place. */
  readonly ranges: readonly LineRange[];
  /** Of the offending word, from 1. */
  readonly column?: number | undefined;
  /** Line of `column` when it is not the first of `ranges`: an instruction may go on over many lines. */
  readonly line?: number | undefined;
}

export interface CheckReport {
  readonly file: string;
  readonly text: string;
  /** In the order of the file; what has no place comes first. */
  readonly diagnostics: readonly Diagnostic[];
}

export interface CheckOptions {
  /** Also the rules that BuildKit does not have. */
  readonly ownRules: boolean;
}

/** Answers for images that cannot be had, so that a check works without a network, and notes them. */
class TolerantResolver implements ImageResolver {
  readonly missing = new Map<string, TsbuildError>();
  readonly #resolver: ImageResolver;

  constructor(resolver: ImageResolver) {
    this.#resolver = resolver;
  }

  async resolve(name: string, options: { readonly platform: Platform }): Promise<ResolvedImage> {
    try {
      return await this.#resolver.resolve(name, options);
    } catch (error) {
      if (!(error instanceof TsbuildError) || error.code === "TSB_CANCELED") throw error;
      this.missing.set(name, error);
      const { os, architecture, variant } = options.platform;
      const rootfs = { type: "layers" as const, diff_ids: [] };
      // A config without history and layers would be taken for scratch.
      const history = [{ created_by: "unknown" }];
      return { config: { os, architecture, ...(variant ? { variant } : {}), config: {}, rootfs, history } };
    }
  }
}

function ofError(error: TsbuildError): Diagnostic {
  const { message, hint, source } = error;
  const ranges = source?.ranges ?? [];
  const { column, line } = source ?? {};
  const isLater = column !== undefined && line !== undefined && line !== ranges[0]?.start;
  return { severity: "error", message, hint, ranges, column, ...(isLater ? { line } : {}) };
}

function ofWarning({ rule, message, url, ranges }: Warning, fail: boolean): Diagnostic {
  const severity = severityOf(rule);
  return { severity: fail && severity === "warning" ? "error" : severity, rule, message, url, ranges };
}

function ofMissing([name, { message }]: [string, TsbuildError]): Diagnostic {
  const text = `${name} cannot be had, so nothing that depends on its config is checked: ${message}`;
  return { severity: "info", message: text, ranges: [] };
}

/** Reads the file; a string of errors instead when it is no Dockerfile. */
function read(request: CompileRequest): DockerfileAst | readonly TsbuildError[] {
  try {
    const { ast, errors } = checkDockerfile(request.text, { file: request.file });
    return errors.length > 0 ? errors : ast;
  } catch (error) {
    if (error instanceof TsbuildError) return [error];
    throw error;
  }
}

async function compileAll(
  started: StartedCompilation,
  warnings: Warning[],
): Promise<TsbuildError | undefined> {
  try {
    await checkPlatforms(started, warnings);
    return undefined;
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
}

async function findAll(
  request: CompileRequest,
  imageResolver: ImageResolver,
  { ownRules }: CheckOptions,
): Promise<Diagnostic[]> {
  const resolver = new TolerantResolver(imageResolver);
  const started = startCompilation({ ...request, allStages: true }, resolver);
  const warnings: Warning[] = [];
  const error = await compileAll(started, warnings);
  // Variables of a base image that is not there look as if nothing set them.
  const known = warnings.filter(({ rule }) => rule !== "UndefinedVar" || resolver.missing.size === 0);
  const own = new Linter(started.options);
  if (ownRules) checkOwnRules(started.compilation.program, own);
  const { fail } = started.options;
  const { declaredArgs } = started.compilation;
  // After an error it is not known what triggers declare.
  const unused = error === undefined ? unusedArgs(Object.keys(request.buildArgs), declaredArgs) : [];
  return [
    ...unused.map(({ message }): Diagnostic => ({ severity: "warning", message, ranges: [] })),
    ...Array.from(resolver.missing, ofMissing),
    ...(error === undefined ? [] : [error, ...error.related].map(ofError)),
    ...[...known, ...newWarnings(known, own.warnings())].map((warning) => ofWarning(warning, fail)),
  ];
}

function inOrder(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const line = ({ ranges: [range] }: Diagnostic) => range?.start ?? 0;
  return diagnostics.toSorted((a, b) => line(a) - line(b) || (a.rule ?? "").localeCompare(b.rule ?? ""));
}

/**
 * Finds everything that is wrong or worth a warning, in all stages. What the user got wrong is in the report; it
 * rejects only when the check itself cannot be done (TSB_CANCELED).
 */
export async function check(
  request: CompileRequest,
  resolver: ImageResolver,
  options: CheckOptions = { ownRules: true },
): Promise<CheckReport> {
  const { file, text } = request;
  const ast = read(request);
  if (Array.isArray(ast)) return { file, text, diagnostics: inOrder(ast.map(ofError)) };
  try {
    return { file, text, diagnostics: inOrder(await findAll(request, resolver, options)) };
  } catch (error) {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_DOCKERFILE") throw error;
    return { file, text, diagnostics: [ofError(error)] };
  }
}
