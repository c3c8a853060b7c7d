import { limits } from "@tsbuild/base";
import { Fields, malformed, parseJson } from "./json.ts";

/** An image of an archive of docker save: paths of files in the archive, bottom layer first. */
export interface DockerArchiveImage {
  readonly config: string;
  readonly repoTags: readonly string[];
  readonly layers: readonly string[];
}

const MAX_IMAGES = 10_000;

/** `manifest.json` of docker save's archives, from untrusted bytes. Throws TSB_INTEGRITY. */
export function parseDockerArchive(bytes: Uint8Array, what = "manifest.json"): DockerArchiveImage[] {
  const list = parseJson(bytes, what);
  if (!Array.isArray(list)) throw malformed(what, "", "it is not a JSON list");
  const images = new Fields({ images: list }, what).objects("images", MAX_IMAGES) ?? [];
  return images.map(({ fields }) => {
    const layers = fields.strings("Layers") ?? [];
    if (layers.length > limits.layers) throw fields.fail("Layers", `more than ${limits.layers} layers`);
    return { config: fields.requiredString("Config"), repoTags: fields.strings("RepoTags") ?? [], layers };
  });
}
