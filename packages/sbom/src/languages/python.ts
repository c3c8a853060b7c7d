import { stanzas } from "../stanzas.ts";
import { exactText, plainText } from "../text.ts";
import type { FoundPackage } from "../types.ts";

const WANTED = new Set([
  ...["Name", "Version", "License", "License-Expression", "Author", "Maintainer", "Home-page", "Classifier"],
]);

const METADATA = /[^/]\.(?:dist-info\/METADATA|egg-info\/PKG-INFO|egg-info)$/;

/** The files in which pip and its kin, and the older setuptools, describe what they installed. */
export function isPythonMetadata(path: string): boolean {
  return METADATA.test(path);
}

/** Core metadata of Python (packaging.python.org): the headers before the first empty line. */
export function pythonPackage(text: string, foundIn: string): FoundPackage | undefined {
  const [fields] = stanzas(text, { wanted: WANTED, first: true });
  const field = (name: string) => exactText(fields?.get(name)?.[0]);
  const name = field("Name");
  const version = field("Version");
  if (fields === undefined || name === undefined || version === undefined) return undefined;
  return {
    type: "pypi",
    name,
    version,
    licenses: licensesOf(field("License-Expression") ?? field("License"), fields.get("Classifier") ?? []),
    supplier: plainText(fields.get("Author")?.[0] ?? fields.get("Maintainer")?.[0]),
    homepage: field("Home-page"),
    foundIn,
  };
}

/** Some put the whole text of the licence there; then the classifiers tell which it is. */
function licensesOf(said: string | undefined, classifiers: readonly string[]): string[] {
  if (said !== undefined && said.length <= 100 && said !== "UNKNOWN") return [said];
  return classifiers.flatMap((classifier) => {
    const name = /^License ::(?: OSI Approved ::)? (.+)$/.exec(classifier)?.[1];
    const plain = name === "OSI Approved" ? undefined : plainText(name);
    return plain === undefined ? [] : [plain];
  });
}
