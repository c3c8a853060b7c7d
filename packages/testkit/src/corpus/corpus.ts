import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { BuildDump, CannedImage, ErrorDump, WarningDump } from "@tsbuild/frontend/debug";

/** Where the conformance corpus is expected: beside the repository. Its README says what is in it. */
export const defaultCorpus = join(import.meta.dirname, "../../../../../shared/corpus");

/** One entry of `builds`: what is expected of one set of options and one platform. */
export interface ExpectedBuild extends Partial<BuildDump> {
  readonly opts?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly marshalError?: ErrorDump;
  readonly unstable?: boolean;
}

/** What the calls without a build give; a part that is absent is not to be compared. */
export interface ExpectedCalls {
  readonly lint?: {
    readonly warnings?: readonly WarningDump[];
    readonly buildError?: ErrorDump;
    readonly unstable?: boolean;
  };
  readonly outline?: Readonly<Record<string, unknown>>;
  readonly targets?: readonly unknown[] | ErrorDump | { readonly unstable: true };
}

export interface Expectation {
  readonly parse?: Readonly<Record<string, unknown>>;
  readonly builds?: readonly ExpectedBuild[];
  readonly calls?: ExpectedCalls;
}

export interface CorpusCase {
  /** Path below `dockerfiles/`. */
  readonly file: string;
  readonly text: string;
  readonly ignore: { readonly file: string; readonly text: string } | undefined;
  readonly expected: Expectation;
}

/** A folder in the corpus' format. Parts that a folder lacks are empty. */
export class Corpus {
  readonly root: string;

  constructor(root: string = defaultCorpus) {
    this.root = root;
  }

  /** Undefined: there is nothing to run; else why the folder cannot be used. */
  get problem(): string | undefined {
    return this.has("expected") && this.has("dockerfiles")
      ? undefined
      : `no conformance corpus at ${this.root}`;
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  bytes(path: string): Uint8Array {
    return readFileSync(join(this.root, path));
  }

  text(path: string): string {
    return readFileSync(join(this.root, path), "utf8");
  }

  /** Rows of a table with a heading, as objects; none when there is no such table. */
  table(path: string): Record<string, string>[] {
    if (!this.has(path)) return [];
    const [heading = "", ...rows] = this.text(path).trimEnd().split("\n");
    const names = heading.split("\t");
    return rows.map((row) => {
      const cells = row.split("\t");
      return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]));
    });
  }

  json(path: string): unknown {
    return JSON.parse(this.text(path));
  }

  /** `images.json` of this folder, else of the default corpus. */
  images(): Record<string, CannedImage> {
    const owner = this.has("images.json") ? this : new Corpus();
    return owner.json("images.json") as Record<string, CannedImage>;
  }

  cases(): CorpusCase[] {
    return this.#files().map((file) => ({
      file,
      text: this.text(join("dockerfiles", file)),
      ignore: this.#ignore(file),
      expected: this.json(`expected/${file}.json`) as Expectation,
    }));
  }

  /** The files of the index; of a folder without one, those that something is expected of. */
  #files(): string[] {
    if (this.has("INDEX.tsv")) return this.table("INDEX.tsv").map((row) => row["file"]!);
    const folder = join(this.root, "expected");
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".json"))
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).slice(0, -".json".length))
      .sort();
  }

  /** The ignore file that was in effect: of `cases.json` of the set, else the one beside (not in `real/`). */
  #ignore(file: string): CorpusCase["ignore"] {
    const set = file.split("/")[0]!;
    const text = this.has(`dockerfiles/${set}/cases.json`)
      ? this.#variants(set)[file.slice(set.length + 1)]?.dockerignore
      : this.#ignoreBeside(set, file);
    return text === undefined ? undefined : { file: ".dockerignore", text };
  }

  #variants(set: string): Record<string, { readonly dockerignore?: string }> {
    return this.json(`dockerfiles/${set}/cases.json`) as Record<string, { readonly dockerignore?: string }>;
  }

  #ignoreBeside(set: string, file: string): string | undefined {
    const path = join("dockerfiles", dirname(file), ".dockerignore");
    return set !== "real" && this.has(path) ? this.text(path) : undefined;
  }
}
