import { TsbuildError } from "@tsbuild/base";
import { parseImageConfig, shownName } from "@tsbuild/oci";
import type { ImageRecord } from "@tsbuild/store";
import { nativeSbom } from "../sbom/native.ts";
import type { Session } from "../session.ts";
import type { ImageSbom } from "./api.ts";
import { isNameless } from "./find.ts";

/** What is installed in an image of the local store. Throws TSB_STORE when its layers are not here. */
export async function imageSbom(
  session: Session,
  record: ImageRecord,
  { signal }: { readonly signal: AbortSignal },
): Promise<ImageSbom> {
  const { store } = session;
  const name = isNameless(record) ? record.config : shownName(record.name);
  if (record.snapshot === undefined) {
    throw new TsbuildError("TSB_STORE", `the layers of ${name} are not here`, {
      hint: `tsbuild pull ${name}`,
    });
  }
  const { created } = parseImageConfig(store.blobs.read(record.config));
  return nativeSbom(store, { snapshot: record.snapshot, name, created, signal });
}
