import { type Pack, Packs, Program } from "./program.ts";

/** The packs of this bundle, put here by scripts/bundle.ts. */
declare const PACKS: readonly Pack[];

/** The main file of the bundle (dist/tsbuild.js); run from its sources, the program starts in `src/main.ts`. */
const folder = import.meta.dirname;
new Program(new Packs(folder, PACKS), folder).load("./main.chunk.js");
