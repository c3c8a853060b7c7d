import { createHash } from "node:crypto";
import { formatPlatform, TsbuildError } from "@tsbuild/base";
import { type MergedTree, packMerged, readTar } from "@tsbuild/oci";
import { type Subject, statementBytes } from "./attestation.ts";
import type { CommittedImage } from "./types.ts";

/** A statement as a file beside what an output of files writes (X014). */
export interface AttestationFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** `linux_amd64`, the name of a platform's folder (X014). */
export function platformFolder({ platform }: CommittedImage): string {
  return formatPlatform(platform).replaceAll("/", "_");
}

/** What the statements are about: every file with its digest, as BuildKit has it for outputs that are no image. */
async function fileSubjects(tree: MergedTree): Promise<{ subjects: Subject[]; names: Set<string> }> {
  const subjects: Subject[] = [];
  const names = new Set<string>();
  const digests = new Map<string, string>();
  for await (const { entry, body } of readTar(packMerged(tree))) {
    names.add(entry.path);
    if (entry.type === "hardlink") {
      const sha256 = digests.get(entry.target ?? "");
      if (sha256 !== undefined) subjects.push({ name: entry.path, digest: { sha256 } });
    }
    if (entry.type !== "file") continue;
    const hash = createHash("sha256");
    for await (const chunk of body ?? []) hash.update(chunk);
    const sha256 = hash.digest("hex");
    digests.set(entry.path, sha256);
    subjects.push({ name: entry.path, digest: { sha256 } });
  }
  return { subjects, names };
}

/** `provenance.json`; of several platforms in one folder `provenance.linux_arm64.json`. */
function fileName(image: CommittedImage, name: string, flat: boolean): string {
  const dot = name.indexOf(".");
  return flat ? `${name.slice(0, dot)}.${platformFolder(image)}${name.slice(dot)}` : name;
}

/**
 * What is claimed of an image as files for its folder. `flat`: several platforms share the folder. Throws TSB_EXPORT when the result has
 * a file of such a name itself.
 */
export async function attestationFiles(
  image: CommittedImage,
  tree: MergedTree,
  { prefix, flat }: { readonly prefix: string; readonly flat: boolean },
): Promise<AttestationFile[]> {
  const wanted = (image.attestations ?? []).filter(({ inlineOnly }) => inlineOnly !== true);
  if (wanted.length === 0) return [];
  const { subjects, names } = await fileSubjects(tree);
  return wanted.map((attestation) => {
    const name = `${prefix}${fileName(image, attestation.fileName, flat)}`;
    if (names.has(name)) {
      throw new TsbuildError(
        "TSB_EXPORT",
        `the result has a file ${name} itself, where an attestation would go`,
        {
          hint: "give the attestations other names: attestation-prefix=NAME-",
        },
      );
    }
    return { name, bytes: statementBytes(attestation, subjects) };
  });
}
