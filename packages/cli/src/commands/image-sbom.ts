import { oneOf } from "../flags/values.ts";
import { safeName } from "../sanitize.ts";
import { columns } from "../upkeep/table.ts";
import { type Asked, onlyOne } from "./with-images.ts";

/** `tsbuild image sbom IMAGE`: the SPDX document on standard output; what could not be read on standard error. */
export async function printSbom({ images, flags, io, operands }: Asked): Promise<void> {
  const image = onlyOne(operands, "tsbuild image sbom IMAGE");
  const format = oneOf("--format", flags.last("format") ?? "json", ["json", "table"]);
  const { document, notes } = await images.sbom(image, { signal: io.signal });
  io.stdout.write(format === "json" ? `${JSON.stringify(document, undefined, 2)}\n` : sbomTable(document));
  for (const note of notes) io.stderr.write(`warning: ${safeName(note)}\n`);
}

type Document = Awaited<ReturnType<Asked["images"]["sbom"]>>["document"];

/** Those that a package manager knows, without the image and its system. */
export function sbomTable({ packages }: Document): string {
  const rows = packages
    .filter(({ externalRefs = [] }) => externalRefs.length > 0)
    .map(({ name, versionInfo = "-", licenseDeclared, externalRefs = [] }) => [
      safeName(name),
      safeName(versionInfo),
      /^pkg:([a-z]+)/.exec(externalRefs[0]?.referenceLocator ?? "")?.[1] ?? "",
      licenseDeclared === "NOASSERTION" ? "-" : safeName(licenseDeclared),
    ]);
  return columns([["NAME", "VERSION", "TYPE", "LICENSE"], ...rows]);
}
