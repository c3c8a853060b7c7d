import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build, type Plugin } from "esbuild";

const root = join(import.meta.dirname, "..");
const dist = join(root, "packages/cli/dist");
const nativeBuild = join(root, "native/build");

/**
 * Makes `packages/cli/dist/`: the whole program as one file, and the native binaries beside it.
 *
 * CommonJS, although the sources are ES modules: in one ES module every `import` of a Node module stands at the top
 * and is loaded at the start, used or not; as CommonJS each `require` stays inside the lazily run wrapper of the
 * module that has it. So what `await import()` names in the sources costs nothing until then.
 */
export async function bundle(): Promise<void> {
  await mkdir(dist, { recursive: true });
  // The package says "type": "module"; this folder is CommonJS.
  await writeFile(join(dist, "package.json"), '{ "type": "commonjs" }\n');
  const fresh = join(dist, `.tsbuild-${process.pid}.js`);
  await build({
    entryPoints: [join(root, "packages/cli/src/main.ts")],
    outfile: fresh,
    bundle: true,
    platform: "node",
    target: "node22",
    format: "cjs",
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
    plugins: [inkWithoutTopLevelAwait],
  });
  // In one step, so that a tsbuild started meanwhile finds the old file or the new one.
  await rename(fresh, join(dist, "tsbuild.js"));
  await rm(join(dist, ".cache"), { recursive: true, force: true });
  await copyNatives();
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
  const fromCli = createRequire(join(root, "packages/cli/package.json"));
  return createRequire(fromCli.resolve("ink")).resolve("yoga-layout");
}

/** Native programs that exist so far; which of them must exist is the build's business (scripts/prepare.ts). */
async function copyNatives(): Promise<void> {
  const zlibSync = createRequire(join(root, "packages/oci/package.json")).resolve("zlib-sync");
  const natives = [
    { from: join(nativeBuild, "tsbuild-sandbox"), name: "tsbuild-sandbox" },
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
