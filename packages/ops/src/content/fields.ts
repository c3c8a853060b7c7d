import { createHash } from "node:crypto";
import { digestHex, sha256Fields } from "@tsbuild/base";
import type { TreeReader } from "@tsbuild/native-fs";
import type { KeyField } from "@tsbuild/solver";
import type { Selected } from "./content-key.ts";
import { isContentXattr } from "./digest.ts";
import { type Located, rootPath } from "./locate.ts";
import { type DigestedParts, HASH_BYTES } from "./scan.ts";

/** Hex digits of a digest that are told: enough to see that it is another one. */
const SHOWN_DIGITS = 16;

/** Above this many files an explanation names folders instead, and of them no more: a record must stay small. */
export const MAX_FIELDS = 1000;

/**
 * A field per file, link and folder; the value is read by the solver's explanation: mode and content (a link: its target), then, each
 * behind a tab, `owner U:G` where owners count (not of a local context, D100) and the attributes that users set and capabilities (V015).
 */
export function* fileFields(
  { located, reader, chosen, hashes }: Selected,
  ownerless: boolean,
): Generator<KeyField> {
  for (const index of chosen) {
    const path = rootPath(located, reader.path(index));
    const data =
      reader.isFile(index) && hashes !== undefined
        ? hashes.toString("hex", index * HASH_BYTES, index * HASH_BYTES + SHOWN_DIGITS / 2)
        : reader.target(index);
    const attributes = [
      ...(ownerless ? [] : [`owner ${reader.uid(index)}:${reader.gid(index)}`]),
      ...xattrFields(reader, index),
    ];
    const name = reader.isFolder(index) ? `${path || "."}/` : path;
    yield {
      name: `file:${name}`,
      value: [`${reader.mode(index).toString(8)} ${data}`, ...attributes].join("\t"),
    };
  }
}

/** `user.note 0123456789abcdef`: name and the beginning of its value's digest. */
function xattrFields(reader: TreeReader, index: number): string[] {
  if (!reader.hasXattrs(index)) return [];
  const counted = reader.xattrs(index).filter(({ name }) => isContentXattr(name));
  return counted.map(
    ({ name, value }) => `${name} ${createHash("sha256").update(value).digest("hex").slice(0, SHOWN_DIGITS)}`,
  );
}

/** What a source has at its top, each with all that is below it. */
export interface LocatedParts extends DigestedParts {
  readonly located: Located;
  readonly reader: TreeReader;
}

/** A field for each entry of the root that has something chosen, for a tree of which to name each file would be too much. */
export function partFields(sources: readonly LocatedParts[]): KeyField[] {
  const groups = new Map<string, string[]>();
  for (const { located, reader, parts } of sources) {
    for (const { index, digest } of parts) {
      const [top = ""] = rootPath(located, reader.name(index)).split("/", 1);
      const digests = groups.get(top) ?? [];
      digests.push(digest.toString("hex"));
      groups.set(top, digests);
    }
  }
  return Array.from(groups)
    .slice(0, MAX_FIELDS)
    .map(([top, digests]) => ({ name: `file:${top || "."}`, value: partValue(digests) }));
}

/** Several where sources are in one folder, or are that folder with what is in it. */
function partValue(digests: readonly string[]): string {
  const [first = "", ...more] = digests;
  const hex = more.length === 0 ? first : digestHex(sha256Fields(digests));
  return hex.slice(0, SHOWN_DIGITS);
}
