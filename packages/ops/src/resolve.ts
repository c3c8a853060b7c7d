import { TsbuildError } from "@tsbuild/base";
import { type ExecOp, type FileOp, type Op, pragmaOf, type SourceOp, type Vertex } from "@tsbuild/llb";
import type { VertexOp } from "@tsbuild/solver";
import type { OpsEnvironment } from "./environment.ts";
import { execOp } from "./exec/op.ts";
import { fileOp } from "./file/op.ts";
import { diffOp, mergeOp } from "./merge.ts";
import { gitOp } from "./source/git.ts";
import { httpOp } from "./source/http.ts";
import { imageOp } from "./source/image.ts";
import { localOp } from "./source/local.ts";

/** The source op that is really read: policies and locks may have another one read, or none. */
function allowed(
  env: OpsEnvironment,
  op: Op & { readonly kind: SourceOp },
): Op & { readonly kind: SourceOp } {
  return { ...op, kind: { ...op.kind, ...env.rules.apply(op.kind) } };
}

function sourceOp(env: OpsEnvironment, named: Op & { readonly kind: SourceOp }): VertexOp {
  const op = allowed(env, named);
  const found = (value: string): void => env.rules.found(named.kind, value);
  const scheme = op.kind.identifier.split("://", 1)[0];
  switch (scheme) {
    case "docker-image":
    case "oci-layout":
      return imageOp(env, op);
    case "local":
      return localOp(env, op);
    case "http":
    case "https":
      return httpOp(env, op, found);
    case "git":
      return gitOp(env, op, found);
    default:
      throw new TsbuildError(
        "TSB_UNSUPPORTED",
        `sources of kind ${JSON.stringify(scheme)} are not supported: ${op.kind.identifier}`,
      );
  }
}

/** The executor of a vertex. Errors, such as a policy's that denies the source, name the vertex. */
export function resolveOp(env: OpsEnvironment, vertex: Vertex): VertexOp {
  try {
    return opOf(env, vertex);
  } catch (error) {
    throw error instanceof TsbuildError ? error.with({ vertex: vertex.digest }) : error;
  }
}

function opOf(env: OpsEnvironment, vertex: Vertex): VertexOp {
  const { op } = vertex;
  switch (op.kind.type) {
    case "source":
      return sourceOp(env, { ...op, kind: op.kind });
    case "exec":
      return execOp(env, op as Op & { readonly kind: ExecOp }, pragmaOf(vertex.metadata));
    case "file":
      return fileOp(env, op as Op & { readonly kind: FileOp });
    case "merge":
      return mergeOp(env, { ...op, kind: op.kind });
    case "diff":
      return diffOp(env, { ...op, kind: op.kind });
    case "build":
      throw new TsbuildError("TSB_UNSUPPORTED", "nested builds (BuildOp) are not supported");
  }
}
