import { stanzas } from "../stanzas.ts";
import { exactText, plainText } from "../text.ts";
import type { FoundPackage } from "../types.ts";

/** Name, version, architecture, licence, source package and home of a package; the same letters in the other case are of its files. */
const WANTED = new Set(["P", "V", "A", "L", "o", "U"]);

/** The packages of Alpine's `lib/apk/db/installed`. */
export function* apkPackages(text: string, foundIn: string): Generator<FoundPackage> {
  for (const stanza of stanzas(text, { wanted: WANTED })) {
    const field = (letter: string) => exactText(stanza.get(letter)?.[0]);
    const name = field("P");
    const version = field("V");
    if (name === undefined || version === undefined) continue;
    const license = plainText(stanza.get("L")?.[0]);
    yield {
      type: "apk",
      name,
      version,
      architecture: field("A"),
      upstream: field("o"),
      licenses: license === undefined ? [] : [license],
      homepage: field("U"),
      foundIn,
    };
  }
}
