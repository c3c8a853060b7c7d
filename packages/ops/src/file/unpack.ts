import { constants, read as readCallback } from "node:fs";
import { promisify } from "node:util";
import { decompress, isArchive, unpackArchive } from "@tsbuild/oci";
import type { Selected } from "../content/content-key.ts";
import { isRegular } from "../content/digest.ts";
import type { OpsEnvironment } from "../environment.ts";
import type { SourceTree } from "../tree.ts";
import type { CopyTarget } from "./apply.ts";
import type { Ownership } from "./owner.ts";

interface UnpackRequest {
  readonly env: OpsEnvironment;
  readonly tree: SourceTree;
  readonly selected: Selected;
  readonly target: CopyTarget;
  readonly owner: Ownership | undefined;
  /** Destination folder below the target's root, links followed. */
  readonly folder: string;
  readonly makeFolder: () => void;
}

const readAt = promisify(readCallback);
const READ_BYTES = 1 << 20;

/** The file's bytes from its beginning. The descriptor stays open whenever the reader stops: Node's streams close it when they are left early. */
async function* read(fd: number): AsyncGenerator<Uint8Array> {
  for (let position = 0; ; ) {
    const chunk = Buffer.allocUnsafe(READ_BYTES);
    const { bytesRead } = await readAt(fd, chunk, 0, READ_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

/**
 * ADD of a local file: when it is a tar by content, compressed or not, whatever its name, it is unpacked into the destination folder
 * (D110). Tells whether it was; anything else is copied as it is.
 */
export async function unpackInto(request: UnpackRequest): Promise<boolean> {
  const { env, tree, selected, target, owner, folder } = request;
  if (!isRegular(selected.located.stat)) return false;
  const fd = env.fs.openInRoot(tree.root, selected.located.path, constants.O_RDONLY, 0);
  try {
    if (!(await isArchive(read(fd)))) return false;
    request.makeFolder();
    const root = env.fs.openInRoot(
      target.root,
      folder === "" ? "." : folder,
      constants.O_RDONLY | constants.O_DIRECTORY,
      0,
    );
    try {
      await unpackArchive(decompress(read(fd)), root, { fs: env.fs, owner, signal: target.signal });
    } finally {
      env.fs.close(root);
    }
    return true;
  } finally {
    env.fs.close(fd);
  }
}
