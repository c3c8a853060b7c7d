/** Version of tsbuild; part of every stored compilation, so that an upgrade compiles anew. */
export const VERSION = "0.1.0";
