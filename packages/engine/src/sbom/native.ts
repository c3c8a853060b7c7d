import type { SnapshotId } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { type SpdxDocument, scanRoot, spdxDocument } from "@tsbuild/sbom";
import type { Store } from "@tsbuild/store";
import { VERSION } from "../version.ts";

export interface NativeSbomRequest {
  /** `null`: an image without files. */
  readonly snapshot: SnapshotId | null;
  /** What the document is about. */
  readonly name: string;
  /**
   * The image's own time, which SOURCE_DATE_EPOCH has cut off already: the same image gets the same document, whenever it is made.
   * Without one it is 1970.
   */
  readonly created: string | undefined;
  readonly signal: AbortSignal;
}

export interface NativeSbom {
  readonly document: SpdxDocument;
  /** What is there and could not be read. */
  readonly notes: readonly string[];
}

/** A bill of materials by the metadata that package managers left in a snapshot. */
export async function nativeSbom(
  store: Pick<Store, "views" | "temporaryFolder">,
  request: NativeSbomRequest,
): Promise<NativeSbom> {
  const { name, created } = request;
  const inventory = await inventoryOf(store, request);
  const createdMs = Date.parse(created ?? "") || 0;
  const document = spdxDocument(inventory, { name, createdMs, tool: `tsbuild-${VERSION}` });
  return { document, notes: inventory.notes };
}

async function inventoryOf(
  store: Pick<Store, "views" | "temporaryFolder">,
  { snapshot, signal }: NativeSbomRequest,
) {
  if (snapshot === null) return { packages: [], notes: [] };
  const view = await store.views.open(snapshot);
  try {
    const temporaryFolder = () => store.temporaryFolder();
    return await scanRoot({ fs: nativeFs, root: view.root, signal, temporaryFolder });
  } finally {
    view.close();
  }
}
