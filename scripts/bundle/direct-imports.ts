import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Plugin } from "esbuild";

/** Where each name is that a package's entry hands on: the file, and what it is called there. */
type Exports = ReadonlyMap<string, { readonly file: string; readonly name: string }>;

const REEXPORT = /^export (?:type )?\{([^}]*)\} from "(\.[^"]+)";$/gm;
const IMPORT = /^import \{([^}]*)\} from "(@tsbuild\/[^"]+)";$/gm;
const DYNAMIC = /\bconst \{([^}]*)\} = await import\("(@tsbuild\/[^"]+)"\)/g;

/**
 * Makes imports of our packages imports of the very modules that have the names. Code is split by file: whoever imports one name of a package's entry
 * would get all that the entry hands on, evaluated at every start.
 *
 * Nothing of ours does anything when it is imported, so neither what is left out nor the order is missed. The forms are those that the formatter
 * leaves; an import of another form stays what it is.
 */
export function directImports(): Plugin {
  const entries = new Map<string, Promise<Exports>>();
  const exportsOf = (entry: string) => {
    const known = entries.get(entry) ?? readExports(entry);
    entries.set(entry, known);
    return known;
  };
  return {
    name: "direct-imports",
    setup({ onLoad }) {
      onLoad({ filter: /\/(?:packages|native)\/[^/]+\/src\/.*\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        return { contents: await rewrite(text, createRequire(path), exportsOf), loader: "ts" };
      });
    },
  };
}

async function rewrite(
  text: string,
  { resolve }: NodeJS.Require,
  exportsOf: (entry: string) => Promise<Exports>,
): Promise<string> {
  const specifiers = new Set(
    [...text.matchAll(IMPORT), ...text.matchAll(DYNAMIC)].map(([, , from]) => from!),
  );
  const known = new Map<string, Exports>();
  for (const from of specifiers) known.set(from, await exportsOf(resolve(from)));
  const inPlace = text.replace(DYNAMIC, (whole, list: string, from: string) => {
    const files = new Set(namesOf(list, ":").map(({ name }) => known.get(from)?.get(name)?.file));
    const [file] = files;
    return file === undefined || files.size > 1 ? whole : whole.replace(`"${from}"`, JSON.stringify(file));
  });
  return inPlace.replace(
    IMPORT,
    (whole, list: string, from: string) =>
      // On one line each, and no line more: places in messages of esbuild stay right by the line.
      directly(list, known.get(from) ?? new Map()) ?? whole,
  );
}

/** Undefined when a name is not handed on but made in the entry itself. */
function directly(list: string, exports: Exports): string | undefined {
  const statements: string[] = [];
  for (const { name, local, isType } of namesOf(list, " as ")) {
    if (isType) continue;
    const place = exports.get(name);
    if (place === undefined) return undefined;
    statements.push(`import { ${place.name} as ${local} } from ${JSON.stringify(place.file)};`);
  }
  return statements.join(" ");
}

interface Name {
  readonly name: string;
  readonly local: string;
  readonly isType: boolean;
}

function namesOf(list: string, as: string): Name[] {
  return list
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "")
    .map((one) => {
      const isType = one.startsWith("type ");
      const [name = "", local = name] = one.replace(/^type /, "").split(as);
      return { name: name.trim(), local: local.trim(), isType };
    });
}

async function readExports(entry: string): Promise<Exports> {
  const found = new Map<string, { file: string; name: string }>();
  for (const [, list = "", from = ""] of (await readFile(entry, "utf8")).matchAll(REEXPORT)) {
    const file = join(dirname(entry), from);
    for (const { name, local, isType } of namesOf(list, " as "))
      if (!isType) found.set(local, { file, name });
  }
  return found;
}
