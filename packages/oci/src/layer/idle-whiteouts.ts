import type { NativeFs } from "@tsbuild/native-fs";
import { parentPath } from "./member-path.ts";
import { TreeWriter, type WriteCalls } from "./tree-writer.ts";
import { folderBelow } from "./unpack-layer.ts";

function byFolder(paths: readonly string[]): Map<string, string[]> {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    const folder = parentPath(path);
    const names = folders.get(folder);
    if (names === undefined) folders.set(folder, [path]);
    else names.push(path);
  }
  return folders;
}

/**
 * Removes whiteouts of an unpacked layer that hide nothing, as in folders that no layer below has. Overlayfs makes none of those and lists
 * the names in such a folder as they are: they would be listed and not be found, and `rm -r` would fail at them. `lowers`: descriptors of
 * the layer folders below, top first; `whiteouts`: as `unpackLayer` tells them.
 */
export async function dropIdleWhiteouts(
  fs: WriteCalls & Pick<NativeFs, "statInRoot">,
  root: number,
  options: { readonly lowers: readonly number[]; readonly whiteouts: readonly string[] },
): Promise<void> {
  const writer = new TreeWriter(fs, root);
  for (const [folder, paths] of byFolder(options.whiteouts)) {
    // Where both have the folder the kernel merges them, and knows its marks.
    const merged = folder === "" ? options.lowers.length > 0 : folderBelow(fs, options.lowers, folder);
    if (merged) continue;
    const mtimeNs = fs.statInRoot(root, folder, false)?.mtimeNs;
    for (const path of paths) await writer.add({ type: "remove", path, existing: "replace" });
    await writer.finish();
    if (mtimeNs !== undefined) fs.setTimesInRoot(root, folder === "" ? "." : folder, mtimeNs, mtimeNs);
  }
}
