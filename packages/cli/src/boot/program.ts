import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";

/** A file of the bundle: functions, one a chunk. */
export interface Pack {
  /** Of the file, without `.js`. */
  readonly name: string;
  /** Ids of its chunks; a large npm package is one, as `./undici.js`. */
  readonly chunks: readonly string[];
}

type Load = (id: string) => unknown;
type Chunk = (require: Load, exports: object, module: { exports: unknown }) => void;
/** What a pack's script evaluates to; called with what `import.meta` means in it: url, filename, dirname. */
type PackBody = (url: string, filename: string, dirname: string) => Readonly<Record<string, Chunk>>;

const CHUNK = /\.chunk\.js$/;
/** Modules of Node that each start has loaded anyway, so that there is nothing to be put off. */
const PRESENT = /^node:(?:buffer|events|fs|module|os|path|process|url|util|vm)$/;

/**
 * The packs of a bundle, each read when it is needed.
 *
 * Beside a pack lies what V8 had compiled of it by the end of a build (`.code`). Node's own compile cache has only what is compiled before a file
 * runs: each function that a start calls would be compiled again, which was a quarter of the time of a cached build. Another V8 refuses the
 * file and compiles as it goes.
 */
export class Packs {
  readonly #folder: string;
  readonly #names = new Map<string, string>();
  readonly #scripts = new Map<string, Script>();

  constructor(folder: string, packs: readonly Pack[]) {
    this.#folder = folder;
    for (const { name, chunks } of packs) for (const id of chunks) this.#names.set(id, name);
  }

  /** The scripts read so far by the names of their packs, to make `.code` of. */
  get scripts(): ReadonlyMap<string, Script> {
    return this.#scripts;
  }

  has(id: string): boolean {
    return this.#names.has(id);
  }

  /** The chunks of the pack that has this one; undefined: none has. */
  withChunk(id: string): Readonly<Record<string, Chunk>> | undefined {
    const name = this.#names.get(id);
    if (name === undefined) return undefined;
    const body = this.#script(name).runInThisContext() as PackBody;
    // The place of the bundle's main file, as if all were in it.
    const filename = join(this.#folder, "tsbuild.js");
    return body(pathToFileURL(filename).href, filename, this.#folder);
  }

  #script(name: string): Script {
    const known = this.#scripts.get(name);
    if (known !== undefined) return known;
    const filename = join(this.#folder, `${name}.js`);
    const script = new Script(readFileSync(filename, "utf8"), {
      filename,
      cachedData: codeOf(join(this.#folder, `${name}.code`)),
    });
    this.#scripts.set(name, script);
    return script;
  }
}

function codeOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** One run of the program: its modules by chunk. */
export class Program {
  readonly #packs: Packs;
  readonly #chunks = new Map<string, Chunk>();
  readonly #modules = new Map<string, { exports: unknown }>();
  readonly #others: NodeJS.Require;

  constructor(packs: Packs, folder: string) {
    this.#packs = packs;
    this.#others = createRequire(join(folder, "tsbuild.js"));
  }

  /** Chunks that were evaluated. */
  get evaluated(): readonly string[] {
    return [...this.#modules.keys()];
  }

  /** As CommonJS has it; what is no chunk is a part of Node or a file beside the bundle. */
  readonly load: Load = (id) => {
    if (id.startsWith("node:") && !PRESENT.test(id)) return whenUsed(() => this.#others(id) as object);
    const isOurs = CHUNK.test(id);
    if (!isOurs && !this.#packs.has(id)) return this.#others(id);
    const known = this.#modules.get(id);
    if (known !== undefined) return known.exports;
    const module: { exports: object } = { exports: {} };
    const chunk = this.#find(id);
    this.#modules.set(id, module);
    // An npm package, which calls what it gets from Node, gets it as it is.
    chunk(isOurs ? this.load : this.#others, module.exports, module as { exports: unknown });
    return module.exports;
  };

  #find(id: string): Chunk {
    if (!this.#chunks.has(id)) {
      const pack = this.#packs.withChunk(id) ?? {};
      for (const [name, one] of Object.entries(pack)) this.#chunks.set(name, one);
    }
    const chunk = this.#chunks.get(id);
    if (chunk === undefined) throw new Error(`the bundle has no ${id}: it was made anew while this ran`);
    return chunk;
  }
}

/**
 * A module that is loaded when something of it is first used: most of what a program imports from Node, a short run of it needs not (node:crypto alone
 * takes 5 ms). Only for modules of Node, whose loading nobody can see. Asked for its names it loads, too: `import()` copies them.
 */
export function whenUsed(load: () => object): object {
  let known: object | undefined;
  const loaded = (): object => {
    known ??= load();
    return known;
  };
  return new Proxy(
    {},
    {
      get: (_target, name) => Reflect.get(loaded(), name),
      has: (_target, name) => Reflect.has(loaded(), name),
      ownKeys: () => Reflect.ownKeys(loaded()),
      getOwnPropertyDescriptor: (_target, name) => {
        const found = Reflect.getOwnPropertyDescriptor(loaded(), name);
        // A proxy may only tell of configurable ones, as its own target has none.
        return found === undefined ? undefined : { ...found, configurable: true };
      },
    },
  );
}
