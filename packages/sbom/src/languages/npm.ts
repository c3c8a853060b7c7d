import { exactText, plainText } from "../text.ts";
import type { FoundPackage } from "../types.ts";

const INSTALLED = /(?:^|\/)node_modules\/(?:@[^/]+\/)?[^/@.][^/]*\/package\.json$/;

/** Is this the description of a package that npm, pnpm or yarn put there, and not one of the package's own files? */
export function isInstalledNpmPackage(path: string): boolean {
  return INSTALLED.test(path);
}

/** Undefined for one without a name and version: those are parts of packages. Throws SyntaxError for what is no JSON. */
export function npmPackage(text: string, foundIn: string): FoundPackage | undefined {
  const described: unknown = JSON.parse(text);
  if (typeof described !== "object" || described === null || Array.isArray(described)) return undefined;
  const fields = described as Readonly<Record<string, unknown>>;
  const name = exactText(fields["name"]);
  const version = exactText(fields["version"]);
  if (name === undefined || version === undefined) return undefined;
  return {
    type: "npm",
    name,
    version,
    licenses: licensesOf(fields),
    supplier: personOf(fields["author"]),
    homepage: exactText(fields["homepage"]),
    foundIn,
  };
}

/** `"MIT"`, the older `{type: "MIT"}`, and the still older `licenses: [{type: "MIT"}]`, of which one may choose. */
function licensesOf({ license, licenses }: Readonly<Record<string, unknown>>): string[] {
  const one = licenseName(license);
  if (one !== undefined) return [one];
  const choice = Array.isArray(licenses) ? licenses.slice(0, 20).map(licenseName) : [];
  const names = choice.filter((name) => name !== undefined);
  return names.length === 0 ? [] : [names.join(" OR ")];
}

function licenseName(license: unknown): string | undefined {
  return plainText(license) ?? plainText(fieldOf(license, "type"));
}

function personOf(author: unknown): string | undefined {
  return plainText(author) ?? plainText(fieldOf(author, "name"));
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
