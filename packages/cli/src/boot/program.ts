import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";

/** A file of the bundle: functions, one a chunk. Its name without `.js`. */
export type PackName = string;

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
  readonly #names: readonly PackName[];
  readonly #scripts = new Map<PackName, Script>();

  /** `names`: most needed first. */
  constructor(folder: string, names: readonly PackName[]) {
    this.#folder = folder;
    this.#names = names;
  }

  /** The scripts read so far, to make `.code` of. */
  get scripts(): ReadonlyMap<PackName, Script> {
    return this.#scripts;
  }

  /** The chunks of each pack, in order, as far as the caller asks. */
  *chunks(): Generator<Readonly<Record<string, Chunk>>> {
    // The place of the bundle's main file, as if all were in it.
    const filename = join(this.#folder, "tsbuild.js");
    const url = pathToFileURL(filename).href;
    for (const name of this.#names) {
      const body = this.#script(name).runInThisContext() as PackBody;
      yield body(url, filename, this.#folder);
    }
  }

  #script(name: PackName): Script {
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
  readonly #packs: Iterator<Readonly<Record<string, Chunk>>>;
  readonly #chunks = new Map<string, Chunk>();
  readonly #modules = new Map<string, { exports: unknown }>();
  readonly #others: NodeJS.Require;

  constructor(packs: Packs, folder: string) {
    this.#packs = packs.chunks();
    this.#others = createRequire(join(folder, "tsbuild.js"));
  }

  /** Chunks that were evaluated. */
  get evaluated(): readonly string[] {
    return [...this.#modules.keys()];
  }

  /** As CommonJS has it; what is no chunk is a part of Node or a file beside the bundle. */
  readonly load: Load = (id) => {
    if (id.startsWith("node:") && !PRESENT.test(id)) return whenUsed(() => this.#others(id) as object);
    if (!CHUNK.test(id)) return this.#others(id);
    const known = this.#modules.get(id);
    if (known !== undefined) return known.exports;
    const module: { exports: object } = { exports: {} };
    const chunk = this.#find(id);
    this.#modules.set(id, module);
    chunk(this.load, module.exports, module as { exports: unknown });
    return module.exports;
  };

  #find(id: string): Chunk {
    for (;;) {
      const chunk = this.#chunks.get(id);
      if (chunk !== undefined) return chunk;
      const { value, done } = this.#packs.next();
      if (done === true) throw new Error(`the bundle has no ${id}: it was made anew while this ran`);
      for (const [name, one] of Object.entries(value)) this.#chunks.set(name, one);
    }
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
