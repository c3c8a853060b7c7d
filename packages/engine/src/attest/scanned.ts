import { type SnapshotId, TsbuildError } from "@tsbuild/base";
import type { Attestation } from "@tsbuild/export";
import { nativeFs } from "@tsbuild/native-fs";
import type { Store } from "@tsbuild/store";

/** X034: what is read back of a scanner is bounded. */
const MAX_BYTES = 40 * 1024 * 1024;
const MAX_FILES = 100;
const SUFFIX = ".spdx.json";

/** What a scanner wrote: an in-toto statement a file, of which the predicate counts. Throws TSB_EXPORT for anything else. */
export async function scannedAttestations(
  store: Pick<Store, "views">,
  scan: { readonly snapshot: SnapshotId | null; readonly generator: string },
): Promise<readonly Attestation[]> {
  const { snapshot, generator } = scan;
  if (snapshot === null) throw nothingWritten(generator);
  const view = await store.views.open(snapshot);
  try {
    const names = nativeFs.listInRoot(view.root, ".").filter((name) => name.endsWith(SUFFIX));
    if (names.length === 0) throw nothingWritten(generator);
    if (names.length > MAX_FILES) throw failure(generator, `wrote more than ${MAX_FILES} files`);
    return names.map((name) => attestationOf(readStatement(view.root, name, generator), name, generator));
  } finally {
    view.close();
  }
}

function failure(generator: string, what: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_EXPORT", `the scanner ${generator} ${what}`, { hint });
}

function nothingWritten(generator: string): TsbuildError {
  return failure(generator, `wrote no *${SUFFIX} into $BUILDKIT_SCAN_DESTINATION`);
}

function readStatement(root: number, name: string, generator: string): unknown {
  try {
    const bytes = nativeFs.readFileInRoot(root, name, MAX_BYTES);
    return bytes === undefined ? undefined : JSON.parse(bytes.toString());
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw failure(generator, `wrote ${JSON.stringify(name)}, which cannot be read: ${why}`);
  }
}

function attestationOf(statement: unknown, fileName: string, generator: string): Attestation {
  const { _type, predicateType, predicate } = (statement ?? {}) as Readonly<Record<string, unknown>>;
  const isStatement = typeof _type === "string" && _type.startsWith("https://in-toto.io/Statement/");
  if (
    !isStatement ||
    typeof predicateType !== "string" ||
    typeof predicate !== "object" ||
    predicate === null
  ) {
    throw failure(
      generator,
      `wrote ${JSON.stringify(fileName)}, which is no in-toto statement`,
      "its files are to have _type, predicateType and predicate",
    );
  }
  return { predicateType, predicate, fileName };
}
