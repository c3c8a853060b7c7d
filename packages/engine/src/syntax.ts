import { TsbuildError } from "@tsbuild/base";
import type { CompileRequest, Warning } from "@tsbuild/frontend";

/** The frontend of Dockerfiles, from any registry and of any version: it is built in. */
const KNOWN =
  /^(?:dockerfile\.v0|(?:[\w.-]+(?::\d+)?\/)?(?:[\w.-]+\/)*docker\/dockerfile(?:-upstream)?(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?)$/;

const HINT = "only docker/dockerfile is, and it is built in: write the file for it, or build with BuildKit";

/**
 * Refuses a file that names a frontend which is not built in (D014): its language is another one, however much it
 * looks like a Dockerfile. The build argument BUILDKIT_SYNTAX wins over the file. Throws TSB_UNSUPPORTED.
 */
export async function refuseForeignSyntax({ file, text, buildArgs }: CompileRequest): Promise<void> {
  const given = buildArgs["BUILDKIT_SYNTAX"];
  if (given !== undefined) {
    if (KNOWN.test(given)) return;
    throw new TsbuildError(
      "TSB_UNSUPPORTED",
      `the frontend ${JSON.stringify(given)} of BUILDKIT_SYNTAX is not supported`,
      { hint: HINT },
    );
  }
  const { detectDirective } = await import("@tsbuild/dockerfile");
  const syntax = detectDirective(text, "syntax");
  if (syntax === undefined || KNOWN.test(syntax.value)) return;
  throw new TsbuildError("TSB_UNSUPPORTED", `the frontend ${JSON.stringify(syntax.value)} is not supported`, {
    hint: HINT,
    source: { file, text, ranges: [syntax.range] },
  });
}

/** Names of one certain frontend: a pinned digest, a channel other than the releases. */
const CERTAIN = /@sha256:|dockerfile-upstream|-labs\b|:(?:labs|master|experimental)\b/;

/**
 * Says that the built-in frontend reads a file that asks for a certain one (D014). Not for versions such as `1` or
 * `1.7`: nearly every file has one, and the language only grows.
 */
export async function builtInNotice({ text, buildArgs }: CompileRequest): Promise<Warning[]> {
  const { detectDirective } = await import("@tsbuild/dockerfile");
  const syntax = detectDirective(text, "syntax");
  const name = buildArgs["BUILDKIT_SYNTAX"] ?? syntax?.value ?? "";
  if (!CERTAIN.test(name)) return [];
  const message = `the frontend ${name} is not fetched: the built-in one reads the file, with all stable features and those of labs`;
  const ranges = buildArgs["BUILDKIT_SYNTAX"] === undefined && syntax !== undefined ? [syntax.range] : [];
  return [{ rule: "BuiltInFrontend", message, ranges }];
}
