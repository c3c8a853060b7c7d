import { type TreeEntry, TreeReader } from "@tsbuild/native-fs";
import { END_BYTES, memberBytes } from "../tar/writer.ts";
import { MemberPlan, type PackOptions } from "./pack.ts";

/** From this size on a file is worth a word of its own: there are few of them in any layer. */
const LARGE_BYTES = 4 * 1024 * 1024;

/** A large file of a layer, and where its bytes will be in the layer's tar. */
export interface PlacedFile {
  readonly file: TreeEntry;
  readonly offset: number;
}

export interface LayerPlan {
  /** Of the tar. */
  readonly sizeBytes: number;
  readonly large: readonly PlacedFile[];
}

/** How a layer folder will be packed, from its walk alone: no file is opened. */
export function planLayer(walked: Buffer, options: Pick<PackOptions, "maxMtimeNs"> = {}): LayerPlan {
  const large: PlacedFile[] = [];
  let at = 0;
  const plan = new MemberPlan(new TreeReader(walked), options, { whiteouts: true });
  for (const { entry, tree } of plan.members()) {
    const { head, all } = memberBytes(entry);
    if (entry.size >= LARGE_BYTES) large.push({ file: tree, offset: at + head });
    at += all;
  }
  return { sizeBytes: at + END_BYTES, large };
}
