import type { BuildOptions, Plugin } from "esbuild";

/** What all files of the bundle have in common. */
export const sharedOptions = {
  bundle: true,
  platform: "node",
  target: "node22",
  // A third of the text less to read and compile at every start; only stack traces (--debug) lose names.
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  define: {
    "import.meta.url": "bundleUrl",
    "import.meta.filename": "__filename",
    "import.meta.dirname": "__dirname",
    "process.env.NODE_ENV": '"production"',
    // ink's switch for React's developer tools, which are not shipped.
    "process.env.DEV": '"false"',
  },
} satisfies BuildOptions;

/** Defines `bundleUrl` where there is a `__filename`. */
export const BUNDLE_URL = 'const bundleUrl=require("node:url").pathToFileURL(__filename).href;';

/**
 * One letter beyond ASCII makes V8 keep the whole text in two bytes a letter, which costs at every start. esbuild
 * escapes them everywhere but in regular expressions, where the escape means the same.
 */
export function escapeNonAscii(text: string): string {
  return text.replace(/[^\x00-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** npm packages that only some builds need, each a file of its own (undici a chunk of its own: scripts/bundle.ts). They import nothing of ours, so that nothing is there twice. */
const APART = ["undici", "chevrotain", "xz-decompress"];

/**
 * Leaves those packages, and the terminal view's, out of the program. `found` gets the entry of each under the name of its file.
 */
export function loadedApart(found: Map<string, string>): Plugin {
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
        found.set("ink", `${resolveDir}/${path}`);
        return { path: "./ink.js", external: true };
      });
    },
  };
}
