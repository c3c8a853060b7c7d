import type { Entry, Image } from "./image.ts";

/** A difference of two images, in the order: BuildKit's, tsbuild's. */
export interface Difference {
  /** `config.Env`, `history 3`, `layer 2 etc/passwd mode`. */
  readonly place: string;
  readonly theirs: string;
  readonly ours: string;
}

function differ(place: string, theirs: unknown, ours: unknown): Difference[] {
  const [left = "none", right = "none"] = [theirs, ours].map((value) => JSON.stringify(value));
  return left === right ? [] : [{ place, theirs: left, ours: right }];
}

function configDifferences(theirs: Image["config"], ours: Image["config"]): Difference[] {
  const fields = new Set([...Object.keys(theirs), ...Object.keys(ours)]);
  return [...fields].flatMap((field) => differ(`config.${field}`, theirs[field], ours[field]));
}

function historyDifferences(theirs: readonly string[], ours: readonly string[]): Difference[] {
  const longest = theirs.length > ours.length ? theirs : ours;
  return longest.flatMap((_, index) => differ(`history ${index}`, theirs[index], ours[index]));
}

const FIELDS = ["type", "mode", "owner", "target", "time", "capabilities", "digest"] as const;

function entryDifferences(place: string, theirs: Entry | undefined, ours: Entry | undefined): Difference[] {
  if (theirs === undefined || ours === undefined) return differ(place, theirs, ours);
  return FIELDS.flatMap((field) => differ(`${place} ${field}`, theirs[field], ours[field]));
}

function layerDifferences(
  place: string,
  theirs: ReadonlyMap<string, Entry>,
  ours: ReadonlyMap<string, Entry>,
): Difference[] {
  const paths = new Set([...theirs.keys(), ...ours.keys()]);
  return [...paths]
    .sort()
    .flatMap((path) => entryDifferences(`${place} ${path}`, theirs.get(path), ours.get(path)));
}

/** All that differs; layers are held against each other in their order. */
export function differences(theirs: Image, ours: Image): Difference[] {
  const common = Math.min(theirs.layers.length, ours.layers.length);
  return [
    ...configDifferences(theirs.config, ours.config),
    ...historyDifferences(theirs.history, ours.history),
    ...differ("number of layers", theirs.layers.length, ours.layers.length),
    ...theirs.layers
      .slice(0, common)
      .flatMap((layer, index) => layerDifferences(`layer ${index}`, layer, ours.layers[index]!)),
  ];
}
