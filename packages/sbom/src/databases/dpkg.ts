import { type Stanza, stanzas } from "../stanzas.ts";
import { exactText, plainText } from "../text.ts";
import type { FoundPackage } from "../types.ts";

const WANTED = new Set(["Package", "Status", "Version", "Architecture", "Source", "Maintainer", "Homepage"]);

/**
 * Debian's packages that are installed: of `var/lib/dpkg/status`, or of a file in `status.d`, where images without dpkg keep one each
 * and no Status.
 */
export function* dpkgPackages(text: string, foundIn: string): Generator<FoundPackage> {
  for (const stanza of stanzas(text, { wanted: WANTED })) {
    const found = dpkgPackage(stanza, foundIn);
    if (found !== undefined) yield found;
  }
}

function dpkgPackage(stanza: Stanza, foundIn: string): FoundPackage | undefined {
  const field = (name: string) => exactText(stanza.get(name)?.[0]);
  const name = field("Package");
  const version = field("Version");
  if (name === undefined || version === undefined || !isInstalled(field("Status"))) return undefined;
  return {
    type: "deb",
    name,
    version,
    architecture: field("Architecture"),
    upstream: upstreamOf(field("Source"), version),
    licenses: [],
    supplier: plainText(stanza.get("Maintainer")?.[0]),
    homepage: field("Homepage"),
    foundIn,
  };
}

/** Wish, error and state; one that was removed but for its configuration is no longer installed (dpkg-query(1)). */
function isInstalled(status: string | undefined): boolean {
  return status === undefined || status.split(/\s+/)[2] === "installed";
}

/** `glibc (2.36-9)`, or `glibc` when the versions are the same. */
function upstreamOf(source: string | undefined, version: string): string | undefined {
  const match = source === undefined ? undefined : /^(\S+)(?:\s+\((\S+)\))?$/.exec(source);
  if (match === undefined || match === null) return undefined;
  const [, name, itsVersion] = match;
  return itsVersion === undefined || itsVersion === version ? name : `${name}@${itsVersion}`;
}
