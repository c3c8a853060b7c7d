import { inflateSync } from "node:zlib";
import { bounds } from "../bounds.ts";
import { exactText } from "../text.ts";
import type { FoundPackage } from "../types.ts";
import type { Elf, ReadAt } from "./elf.ts";

/** Where cargo-auditable puts the list of crates: zlib, JSON. */
const SECTION = ".dep-v0";

/**
 * The crates that a program was built from by cargo-auditable; none for other programs. Those that only ran at build time are not in
 * it. Throws an Error for a list that cannot be read.
 */
export function cargoPackages({ sections }: Elf, readAt: ReadAt, foundIn: string): FoundPackage[] {
  const section = sections.find(({ name }) => name === SECTION);
  if (section === undefined) return [];
  if (section.size > bounds.crateListBytes) throw new RangeError("its list of crates is too long");
  const packed = readAt(section.offset, section.size);
  const list: unknown = JSON.parse(
    inflateSync(packed, { maxOutputLength: bounds.crateListUnpackedBytes }).toString(),
  );
  const crates = (list as { readonly packages?: unknown } | null)?.packages;
  if (!Array.isArray(crates)) throw new TypeError("its list of crates has no packages");
  return crates.slice(0, bounds.packages).flatMap((crate) => cargoPackage(crate, foundIn) ?? []);
}

function cargoPackage(crate: unknown, foundIn: string): FoundPackage | undefined {
  if (typeof crate !== "object" || crate === null) return undefined;
  const { name, version, kind } = crate as Readonly<Record<string, unknown>>;
  const exactName = exactText(name);
  if (exactName === undefined || kind === "build") return undefined;
  return { type: "cargo", name: exactName, version: exactText(version) ?? "", licenses: [], foundIn };
}
