import { bounds } from "./bounds.ts";
import { plainText } from "./text.ts";
import type { FoundPackage, Inventory } from "./types.ts";

/** Collects what a scan finds, and what it could not read. */
export class Findings {
  readonly #packages: FoundPackage[] = [];
  readonly #notes: string[] = [];
  #unsaid = 0;

  add(found: FoundPackage): void {
    if (this.#packages.length < bounds.packages) this.#packages.push(found);
    else if (this.#packages.length === bounds.packages) this.#stop(found);
  }

  addAll(found: Iterable<FoundPackage>): void {
    for (const one of found) this.add(one);
  }

  #stop(found: FoundPackage): void {
    this.#packages.push(found);
    this.note(found.foundIn, `from here on packages are left out: there are more than ${bounds.packages}`);
  }

  note(path: string, why: string): void {
    if (this.#notes.length < bounds.notes) this.#notes.push(`/${plainText(path) ?? "?"}: ${why}`);
    else this.#unsaid += 1;
  }

  /** Does a piece of work; what a stranger's file makes fail is noted, and the rest goes on. */
  tryTo<T>(path: string, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.note(
        path,
        `not read: ${plainText(error instanceof Error ? error.message : String(error)) ?? "?"}`,
      );
      return undefined;
    }
  }

  inventory(): Pick<Inventory, "packages" | "notes"> {
    const more = this.#unsaid === 0 ? [] : [`${this.#unsaid} more files could not be read`];
    return { packages: this.#packages, notes: [...this.#notes, ...more] };
  }
}
