import { basename, dirname } from "node:path";
import { type Digest, hideCredentials, sha256Fields } from "@tsbuild/base";
import type { Op, SourceOp } from "@tsbuild/llb";
import { encodeTreeOps } from "@tsbuild/native-fs";
import type { OpContext, Ref, VertexOp } from "@tsbuild/solver";
import { refForSnapshot } from "@tsbuild/store";
import type { FetchedFile, OpsEnvironment } from "../environment.ts";
import { checkDownload } from "./checksum.ts";

interface HttpFile extends FetchedFile {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

function numberAttr(attrs: Readonly<Record<string, string>>, name: string, base: number): number | undefined {
  const text = attrs[name];
  if (text === undefined) return undefined;
  const value = Number.parseInt(text, base);
  return Number.isNaN(value) ? undefined : value;
}

/** Executor of `http(s)://…`: one file in an otherwise empty filesystem (D111, V019, X005). */
export function httpOp(
  env: OpsEnvironment,
  op: Op & { readonly kind: SourceOp },
  found: (digest: Digest) => void,
): VertexOp {
  const { identifier, attrs } = op.kind;
  let fetched: Promise<HttpFile> | undefined;
  const fetch = (context: OpContext): Promise<HttpFile> => {
    fetched ??= fetchFile(env, { url: identifier, attrs, context });
    return fetched;
  };
  return {
    cacheMap: async (context) => {
      const file = await fetch(context);
      found(file.digest);
      // In: body, name, mode, owner and time, all of which land in the file system. Out: the URL itself.
      const values = [
        file.digest,
        file.name,
        String(file.mode),
        `${file.uid}:${file.gid}`,
        String(file.modifiedMs ?? 0),
      ];
      return {
        digest: sha256Fields(["http-1", ...values]),
        inputs: [],
        fields: [{ name: `url:${hideCredentials(identifier)}`, value: file.digest }],
      };
    },
    run: async (_inputs, context) => [await writeFile(env, await fetch(context))],
  };
}

async function fetchFile(
  env: OpsEnvironment,
  request: {
    readonly url: string;
    readonly attrs: Readonly<Record<string, string>>;
    readonly context: OpContext;
  },
): Promise<HttpFile> {
  const { url, attrs, context } = request;
  const http = await env.http();
  const file = await http.fetch(url, context);
  checkDownload({ identifier: url, attrs }, file.digest);
  return {
    ...file,
    name: attrs["http.filename"] ?? (file.fileName || "download"),
    mode: numberAttr(attrs, "http.perm", 8) ?? 0o600,
    uid: numberAttr(attrs, "http.uid", 10) ?? 0,
    gid: numberAttr(attrs, "http.gid", 10) ?? 0,
  };
}

async function writeFile(env: OpsEnvironment, file: HttpFile): Promise<Ref> {
  const layer = await env.store.views.prepare(null);
  try {
    const { mode, uid, gid } = file;
    const mtimeNs = BigInt(Math.trunc(file.modifiedMs ?? 0)) * 1_000_000n;
    const path = env.store.blobs.path(file.digest);
    const blobs = env.fs.openFolder(dirname(path));
    const op = {
      type: "copy",
      path: file.name,
      from: basename(path),
      existing: "error",
      mode,
      uid,
      gid,
      mtimeNs,
    } as const;
    await env.fs
      .apply(layer.root, blobs, encodeTreeOps([op]), { hash: false })
      .finally(() => env.fs.close(blobs));
  } catch (error) {
    layer.discard();
    throw error;
  }
  return refForSnapshot(env.store, await layer.commit());
}
