import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** What a package's sources may import: tsbuild packages, and npm packages with why they are there. */
const table: Readonly<Record<string, { readonly own: readonly string[]; readonly npm: readonly string[] }>> =
  {
    "native/fs": { own: [], npm: [] },
    "packages/base": { own: [], npm: [] },
    "packages/llb": { own: ["base"], npm: ["@bufbuild/protobuf"] },
    "packages/dockerfile": { own: ["base"], npm: ["chevrotain"] },
    "packages/oci": {
      own: ["base", "native-fs"],
      npm: ["xz-decompress", "unbzip2-stream", "seek-bzip"],
    },
    "packages/solver": { own: ["base", "llb"], npm: [] },
    "packages/sandbox": { own: ["base"], npm: [] },
    "packages/store": { own: ["base", "oci", "native-fs", "solver"], npm: [] },
    "packages/registry": { own: ["base", "oci"], npm: ["undici"] },
    "packages/frontend": { own: ["base", "llb", "dockerfile", "oci"], npm: [] },
    "packages/ops": {
      own: ["base", "llb", "oci", "solver", "store", "registry", "sandbox", "native-fs", "dockerfile"],
      npm: ["undici"],
    },
    "packages/export": { own: ["base", "oci", "store", "registry", "solver", "native-fs"], npm: [] },
    "packages/cache": { own: ["base", "oci", "store", "registry", "solver"], npm: [] },
    "packages/sbom": { own: ["base", "native-fs"], npm: ["spdx-license-ids", "spdx-exceptions"] },
    "packages/engine": {
      own: [
        "base",
        "cache",
        "llb",
        "dockerfile",
        "oci",
        "solver",
        "sandbox",
        "store",
        "registry",
        "frontend",
        "ops",
        "export",
        "native-fs",
        "sbom",
      ],
      npm: [],
    },
    "packages/cli": { own: ["engine", "base"], npm: ["ink", "react"] },
    "packages/testkit": {
      own: [
        "base",
        "llb",
        "dockerfile",
        "oci",
        "solver",
        "sandbox",
        "store",
        "registry",
        "frontend",
        "ops",
        "export",
        "cache",
        "engine",
        "native-fs",
      ],
      npm: ["vitest"],
    },
  };

/** Ports only: these imports must be `import type`. */
const typeOnly: Readonly<Record<string, readonly string[]>> = {
  "packages/store": ["solver"],
  "packages/export": ["solver"],
};

const files = readdirSync(root, { recursive: true, encoding: "utf8" })
  .filter(
    (file) => /^(packages\/[^/]+|native\/[^/]+)\/src\/.*\.ts$/.test(file) && !file.includes("node_modules"),
  )
  .sort();

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

/** Static imports, re-exports and dynamic imports of a source text. */
function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const statement = /^(?:import|export)\s+(type\s+)?(?:[^;]*?\sfrom\s+)?["']([^"']+)["']/gm;
  for (const match of text.matchAll(statement)) {
    found.push({ specifier: match[2] ?? "", typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\b(?:import|require)\(\s*["']([^"']+)["']\s*\)/g)) {
    found.push({ specifier: match[1] ?? "", typeOnly: false });
  }
  return found;
}

function npmName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** Why an import is forbidden, or undefined. */
function violation(file: string, { specifier, typeOnly: isType }: Import): string | undefined {
  const home = file.split("/").slice(0, 2).join("/");
  const rules = table[home];
  if (rules === undefined) return `${home} has no row in the import table`;
  if (specifier.startsWith("node:")) return undefined;
  if (specifier.startsWith(".")) {
    const target = relative(root, join(root, file, "..", specifier));
    return target.startsWith(`${home}/`) ? undefined : `leaves its package: ${specifier}`;
  }
  if (specifier.startsWith("@tsbuild/")) {
    const name = specifier.split("/")[1] ?? "";
    if (!rules.own.includes(name)) return `may not import ${specifier}`;
    if (typeOnly[home]?.includes(name) && !isType) return `may import only types of ${specifier}`;
    return undefined;
  }
  return rules.npm.includes(npmName(specifier)) ? undefined : `npm package not in the table: ${specifier}`;
}

describe("import table", () => {
  test("the reader of imports sees every form", () => {
    const text = [
      'import type { A } from "a";',
      'import {\n  B,\n  C,\n} from "b";',
      'export * from "./c.ts";',
      'import "d";',
      'const e = await import("e");',
    ].join("\n");
    expect(importsOf(text).map((i) => `${i.specifier}${i.typeOnly ? " type" : ""}`)).toEqual([
      "a type",
      "b",
      "./c.ts",
      "d",
      "e",
    ]);
  });

  test("forbidden imports are seen", () => {
    expect(violation("packages/base/src/x.ts", { specifier: "@tsbuild/llb", typeOnly: true })).toMatch(
      /may not/,
    );
    expect(violation("packages/store/src/x.ts", { specifier: "@tsbuild/solver", typeOnly: false })).toMatch(
      /types/,
    );
    expect(violation("packages/llb/src/x.ts", { specifier: "../../base/src/x.ts", typeOnly: false })).toMatch(
      /leaves/,
    );
    expect(violation("packages/llb/src/x.ts", { specifier: "left-pad/x", typeOnly: false })).toMatch(/npm/);
  });

  test("every source keeps to it", () => {
    expect(files.length).toBeGreaterThan(20);
    const broken = files.flatMap((file) =>
      importsOf(readFileSync(join(root, file), "utf8"))
        .map((found) => violation(file, found))
        .filter((why) => why !== undefined)
        .map((why) => `${file}: ${why}`),
    );
    expect(broken).toEqual([]);
  });
});
