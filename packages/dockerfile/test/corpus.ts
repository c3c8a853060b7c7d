import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Json } from "@tsbuild/dockerfile";

/** The conformance corpus beside the repository; it is data of others and not part of it. */
const CORPUS = join(import.meta.dirname, "../../../../shared/corpus");

export const hasCorpus = existsSync(join(CORPUS, "INDEX.tsv"));
if (!hasCorpus) console.log(`skipped: the conformance corpus is not at ${CORPUS}`);

export function corpusText(path: string): string {
  return readFileSync(join(CORPUS, path), "utf8");
}

export function corpusBytes(path: string): Uint8Array {
  return readFileSync(join(CORPUS, path));
}

/** Rows of a table with a heading, as objects. */
export function corpusTable(path: string): Record<string, string>[] {
  const [heading, ...rows] = corpusText(path).trimEnd().split("\n");
  const names = heading!.split("\t");
  return rows.map((row) => {
    const cells = row.split("\t");
    return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]));
  });
}

/** Files of the corpus with what is expected of them. */
export function corpusFiles(): { readonly file: string; readonly expected: Record<string, Json> }[] {
  return corpusTable("INDEX.tsv").map(({ file }) => ({
    file: file!,
    expected: (JSON.parse(corpusText(`expected/${file}.json`)) as { parse: Record<string, Json> }).parse,
  }));
}

/** Paths at which two values differ, with both values; at most `limit`. */
export function differences(expected: unknown, got: unknown, path = "$", limit = 5): string[] {
  if (Object.is(expected, got)) return [];
  if (isContainer(expected) && isContainer(got) && Array.isArray(expected) === Array.isArray(got)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(got)]);
    const found: string[] = [];
    for (const key of keys) {
      if (found.length >= limit) break;
      const at = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`;
      found.push(...differences(expected[key], got[key], at, limit - found.length));
    }
    return found;
  }
  return [`${path}: expected ${show(expected)}, got ${show(got)}`];
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** Counts cases of one category and keeps what differs. */
export class Tally {
  readonly #name: string;
  readonly #known: ReadonlySet<string>;
  readonly #failures: string[] = [];
  readonly #unused: Set<string>;
  #passed = 0;
  #total = 0;

  /** `known` are the cases that differ on purpose; they must differ. */
  constructor(name: string) {
    this.#name = name;
    this.#known = knownDifferences(name);
    this.#unused = new Set(this.#known);
  }

  add(id: string, found: readonly string[]): void {
    this.#total++;
    if (found.length > 0 && this.#known.has(id)) this.#unused.delete(id);
    else if (found.length === 0 && !this.#known.has(id)) this.#passed++;
    else
      this.#failures.push(
        found.length === 0 ? `${id}: no longer differs` : `${id}\n    ${found.join("\n    ")}`,
      );
  }

  /** Prints the totals; the result is empty when all is well. */
  finish(): string {
    const onPurpose = this.#known.size === 0 ? "" : `, ${this.#known.size} on purpose not`;
    console.log(`${this.#name}: ${this.#passed} of ${this.#total}${onPurpose}`);
    const missing = [...this.#unused].filter(
      (id) => !this.#failures.some((failure) => failure.startsWith(id)),
    );
    return [...this.#failures.slice(0, 10), ...missing.map((id) => `${id}: no such case`)].join("\n");
  }
}

/** Rows of the table in docs/differences.md: category, case, reason. */
function knownDifferences(category: string): ReadonlySet<string> {
  const page = join(import.meta.dirname, "../../../docs/differences.md");
  const rows = existsSync(page) ? readFileSync(page, "utf8").split("\n") : [];
  const cells = rows
    .filter((row) => row.startsWith("|"))
    .map((row) => row.split("|").map((cell) => cell.trim()));
  return new Set(cells.filter((row) => row[1] === category).map((row) => (row[2] ?? "").replaceAll("`", "")));
}
