import { hideCredentials } from "@tsbuild/base";
import { copy, defer, http, local, type State, scratch } from "@tsbuild/llb";
import type { CompileRequest } from "./api.ts";
import { gitSource, parseGitReference } from "./git-source.ts";
import { neededPaths } from "./paths.ts";

/** True when the user's files are a local folder; only then its ignore file counts (D136). */
export function isLocalContext(request: CompileRequest): boolean {
  return request.context === undefined || request.context === "";
}

function gitContext(request: CompileRequest, url: string): State | undefined {
  const reference = parseGitReference(url);
  if (reference === undefined) return undefined;
  const keep = /^(?:1|t|true)$/i.test(request.buildArgs["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] ?? "");
  const mtime = reference.mtime || (request.buildArgs["SOURCE_DATE_EPOCH"] ? "commit" : "");
  const wanted = { ...reference, mtime, keepGitDir: reference.keepGitDir || keep };
  return gitSource(wanted, { name: `[internal] load git source ${hideCredentials(url)}` });
}

function httpContext(request: CompileRequest, url: string): State {
  const download = http(url, {
    filename: "context",
    annotations: { name: "[internal] load remote build context" },
  });
  if (request.contextIsArchive === false) return download;
  return scratch().file(copy(download, "/context", "/", { attemptUnpack: true }));
}

/**
 * The user's files. Of a local folder only `paths` are asked for; they are read when the graph is made, after every
 * instruction has said what it needs.
 */
export function mainContext(
  request: CompileRequest,
  paths: ReadonlySet<string>,
  excludePatterns: readonly string[],
): State {
  const { context } = request;
  if (context !== undefined && context !== "") {
    return gitContext(request, context) ?? httpContext(request, context);
  }
  const including = request.includedBy?.at(-1);
  return defer(() =>
    local(including ?? "context", {
      followPaths: neededPaths(paths),
      excludePatterns,
      sharedKeyHint: including === undefined ? "context" : `context:${including}-`,
      annotations: {
        name:
          including === undefined
            ? "[internal] load build context"
            : `[context ${including}] load from client`,
      },
    }),
  );
}
