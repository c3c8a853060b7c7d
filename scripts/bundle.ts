import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";
import { programChunks } from "./bundle/chunks.ts";
import { inkWithoutTopLevelAwait } from "./bundle/ink.ts";
import { BUNDLE_URL, escapeNonAscii, sharedOptions } from "./bundle/options.ts";
import { packByUse } from "./bundle/warm.ts";

const root = join(import.meta.dirname, "..");
const defaultDist = join(root, "packages/cli/dist");
const nativeBuild = join(root, "native/build");

/**
 * Makes `packages/cli/dist/` (or another folder): a small main file; the program in packs of chunks, the first with what a cached build evaluates;
 * npm packages that such a build does not need, and the threads that pack layers, as one file each; and the native binaries beside them.
 */
export async function bundle(dist: string = defaultDist): Promise<void> {
  await mkdir(dist, { recursive: true });
  // The package says "type": "module"; this folder is CommonJS.
  await writeFile(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  const apart = new Map<string, string>();
  const chunks = await programChunks(join(root, "packages/cli/src/main.ts"), apart);
  apart.set("layer-worker", join(root, "packages/oci/src/workers/layer-worker.ts"));
  await copyNatives(dist);
  const undici = apart.get("undici");
  if (undici === undefined) throw new Error("the program does not import undici any more");
  apart.delete("undici");
  // The parts first, the main file last: a tsbuild started meanwhile finds what its main file asks for.
  await Promise.all(
    [...apart].map(([name, entry]) =>
      bundleFile(join(dist, `${name}.js`), { entry, plugins: [inkWithoutTopLevelAwait] }),
    ),
  );
  // In a pack, so that V8's code of it is kept: of what a push calls, compiling took longer than the calls.
  const packs = await packByUse(dist, [
    ...chunks,
    { id: "./undici.js", text: await bundleText({ entry: undici }) },
  ]);
  await bundleFile(join(dist, "tsbuild.js"), {
    entry: join(root, "packages/cli/src/boot/main.ts"),
    define: { PACKS: JSON.stringify(packs) },
  });
  await removeOldPacks(
    dist,
    packs.map(({ name }) => name),
  );
  await rm(join(dist, ".cache"), { recursive: true, force: true });
}

interface FileParts {
  readonly entry: string;
  readonly plugins?: readonly Plugin[];
  readonly define?: Readonly<Record<string, string>>;
}

/** Bundles one file under another name, and puts it in its place in one step. */
async function bundleFile(target: string, parts: FileParts): Promise<void> {
  const fresh = join(dirname(target), `.${basename(target, ".js")}-${process.pid}.js`);
  await writeFile(fresh, await bundleText(parts));
  await rename(fresh, target);
}

async function bundleText({ entry, plugins = [], define = {} }: FileParts): Promise<string> {
  const { outputFiles } = await build({
    ...sharedOptions,
    entryPoints: [entry],
    write: false,
    format: "cjs",
    banner: { js: BUNDLE_URL },
    define: { ...sharedOptions.define, ...define },
    plugins: [...plugins],
  });
  return escapeNonAscii(outputFiles[0]?.text ?? "");
}

async function removeOldPacks(dist: string, packs: readonly string[]): Promise<void> {
  const old = (await readdir(dist)).filter((name) => {
    const pack = /^((?:program|image|steps|registry|rest|all)-[0-9a-f]{12})\.(?:js|code)$/.exec(name)?.[1];
    return pack !== undefined && !packs.includes(pack);
  });
  for (const name of old) await rm(join(dist, name));
}

/** Native programs that exist so far; which of them must exist is the build's business (scripts/prepare.ts). */
async function copyNatives(dist: string): Promise<void> {
  const natives = [
    { from: join(nativeBuild, "tsbuild-sandbox"), name: "tsbuild-sandbox" },
    { from: join(nativeBuild, "tsbuild-start"), name: "tsbuild-start" },
    { from: join(nativeBuild, "tsbuild-settle"), name: "tsbuild-settle" },
    { from: join(nativeBuild, "tsbuild-userns"), name: "tsbuild-userns" },
    { from: join(nativeBuild, "tsbuild-fs.node"), name: "tsbuild-fs.node" },
  ];
  for (const { from, name } of natives) if (existsSync(from)) await replaceFile(from, join(dist, name));
}

/** Copied beside and renamed: a program that runs cannot be written to. */
async function replaceFile(from: string, to: string): Promise<void> {
  const fresh = `${to}.${process.pid}`;
  await copyFile(from, fresh);
  await chmod(fresh, 0o755);
  await rename(fresh, to);
}

if (import.meta.main) await bundle();
