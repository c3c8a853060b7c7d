import { stanzas } from "../stanzas.ts";
import { plainText } from "../text.ts";

const WANTED = new Set(["License"]);
const COMMON = /\/usr\/share\/common-licenses\/([A-Za-z0-9][A-Za-z0-9.+-]*)/g;

/**
 * The licences that a Debian copyright file names, in byte order: the short names of a machine-readable one (DEP-5), else the texts
 * of /usr/share/common-licenses that it points to.
 */
export function copyrightLicenses(text: string): string[] {
  const names = /^Format(?:-Specification)?:/im.test(text.slice(0, 4096)) ? shortNames(text) : pointers(text);
  return [...new Set(names)].sort();
}

function* shortNames(text: string): Generator<string> {
  for (const stanza of stanzas(text, { wanted: WANTED })) {
    const name = plainText(stanza.get("License")?.[0]);
    if (name !== undefined) yield name;
  }
}

function* pointers(text: string): Generator<string> {
  // A full stop ends the sentence, not the name.
  for (const match of text.matchAll(COMMON)) yield (match[1] ?? "").replace(/[.-]+$/, "");
}
