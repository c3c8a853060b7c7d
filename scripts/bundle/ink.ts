import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { Plugin } from "esbuild";

const cli = join(import.meta.dirname, "../../packages/cli");
const fromCli = createRequire(join(cli, "package.json"));

/**
 * CommonJS has no top-level `await`, and ink has three. Its layout engine (yoga-layout) loads WebAssembly by one; here
 * a call does, which the bundle's version of ink-runtime.ts makes before it loads ink (ink looks the engine up when it
 * lays out, not when it is loaded, so that is early enough). The other two serve React's developer tools, which are
 * not shipped.
 */
export const inkWithoutTopLevelAwait: Plugin = {
  name: "ink-without-top-level-await",
  setup({ onLoad }) {
    onLoad({ filter: /\/yoga-layout\/dist\/src\/index\.js$/ }, () => ({ contents: yogaByCall }));
    onLoad({ filter: /\/progress\/ink-runtime\.ts$/ }, () => ({
      contents: inkRuntime(),
      resolveDir: join(cli, "src/progress"),
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
