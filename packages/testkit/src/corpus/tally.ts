import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const page = join(import.meta.dirname, "../../../../docs/differences.md");

/** Cases by category of the table in docs/differences.md: they differ on purpose. */
function readDifferences(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  const text = existsSync(page) ? readFileSync(page, "utf8") : "";
  for (const [, category = "", name = ""] of text.matchAll(/^\| (\w+) \| `([^`]+)` \|/gm)) {
    const cases = found.get(category) ?? new Set();
    found.set(category, cases.add(name));
  }
  return found;
}

export interface Score {
  readonly passed: number;
  readonly all: number;
  /** Cases that differ and are listed in docs/differences.md. */
  readonly onPurpose: number;
}

export interface Failure {
  /** File and options, or the number of a row. */
  readonly place: string;
  /** Paths with what was expected and what came. */
  readonly differences: readonly string[];
}

interface Category {
  passed: number;
  all: number;
  readonly onPurpose: Set<string>;
  /** Rows that stand for many cases, and were needed. */
  readonly kinds: Set<string>;
  /** Listed as different, and equal. */
  readonly agreeing: Set<string>;
  readonly failures: Failure[];
}

/** Counts cases by category and keeps what differs. */
export class Tally {
  readonly #known = readDifferences();
  readonly #categories = new Map<string, Category>();

  /** `kind`: the row of docs/differences.md that explains all of the differences, where one stands for many cases. */
  count(name: string, place: string, differences: readonly string[], kind?: string): void {
    const category = this.#category(name);
    const rows = this.#known.get(name);
    const isKnown = rows?.has(place) ?? false;
    if (differences.length > 0 && kind !== undefined && rows?.has(kind)) {
      category.all++;
      category.kinds.add(kind);
      category.onPurpose.add(place);
      return;
    }
    category.all++;
    if (differences.length === 0) category.passed++;
    if (differences.length === 0 && isKnown) category.agreeing.add(place);
    else if (differences.length > 0 && isKnown) category.onPurpose.add(place);
    else if (differences.length > 0) category.failures.push({ place, differences });
  }

  #category(name: string): Category {
    const known = this.#categories.get(name);
    if (known !== undefined) return known;
    const category = {
      passed: 0,
      all: 0,
      onPurpose: new Set<string>(),
      kinds: new Set<string>(),
      agreeing: new Set<string>(),
      failures: [],
    };
    this.#categories.set(name, category);
    return category;
  }

  categories(): string[] {
    return [...this.#categories.keys()];
  }

  score(name: string): Score {
    const { passed, all, onPurpose } = this.#category(name);
    return { passed, all, onPurpose: onPurpose.size };
  }

  /** Differences that docs/differences.md does not list. */
  failures(name: string): readonly Failure[] {
    return this.#category(name).failures;
  }

  /** Rows of docs/differences.md that are not true (any more): the case agrees, or there is none. */
  staleRows(name: string): string[] {
    const { onPurpose, agreeing, kinds } = this.#category(name);
    return [...(this.#known.get(name) ?? [])]
      .filter((place) => !onPurpose.has(place) && !kinds.has(place))
      .map((place) => `${place}: ${agreeing.has(place) ? "no longer differs" : "no such case"}`);
  }

  /** All that is wrong with a category, as text; empty when all is well. What the tests of a whole corpus assert. */
  problems(name: string): string {
    const shown = this.failures(name).map(
      ({ place, differences }) => `${place}\n    ${differences.join("\n    ")}`,
    );
    return [...shown.slice(0, 10), ...this.staleRows(name)].join("\n");
  }

  summary(name: string): string {
    const { passed, all, onPurpose } = this.score(name);
    return `${name}: ${passed} of ${all}${onPurpose === 0 ? "" : `, ${onPurpose} on purpose not`}`;
  }
}
