import type { Store } from "./api.ts";
import { type StoreState, stateOf } from "./state.ts";

/**
 * What the last builds of a project looked up or made, so that collection leaves it (W006: a build after a collection must not start from
 * nothing). A project is whatever name its builder gives it. A build that needs no more than the one before is one with it here: ten
 * repetitions do not push out what another target of the project needs, and a build that finds everything (and so opens no cache mount)
 * writes nothing.
 */
export interface Needs {
  /** Ends the collecting; with `project`, what was collected becomes its newest build. */
  finish(project: string | undefined): void;
}

/** Where the parts of a store tell what is looked up or made: results, and cache mounts as `mount:NAME`. */
export class NeedsLog {
  readonly #watchers = new Set<Set<string>>();

  note(what: string): void {
    for (const watcher of this.#watchers) watcher.add(what);
  }

  watch(): { readonly noted: ReadonlySet<string>; stop(): void } {
    const noted = new Set<string>();
    this.#watchers.add(noted);
    return { noted, stop: () => this.#watchers.delete(noted) };
  }
}

/** Rows kept per project: more than anyone lets collection spare. */
const ROWS_PER_PROJECT = 20;
/** Projects that were built long ago need nothing any more. */
const MAX_PROJECTS = 1000;

/** Collects from now on what builds on this store look up. */
export function watchNeeds(store: Store): Needs {
  const state = stateOf(store);
  const watched = state.needs.watch();
  return {
    finish: (project) => {
      watched.stop();
      if (project !== undefined && watched.noted.size > 0) record(state, project, watched.noted);
    },
  };
}

function record(state: StoreState, project: string, noted: ReadonlySet<string>): void {
  const { database } = state;
  const last = database.get<{ results: string }>(
    "SELECT results FROM needs WHERE project=? ORDER BY id DESC LIMIT 1",
    project,
  );
  if (last !== undefined && noted.isSubsetOf(new Set(JSON.parse(last.results) as string[]))) return;
  const text = JSON.stringify([...noted].sort());
  database.transaction(() => {
    database.run("INSERT INTO needs(project, built_at, results) VALUES(?, ?, ?)", project, Date.now(), text);
    database.run(
      `DELETE FROM needs WHERE project=? AND id NOT IN
       (SELECT id FROM needs WHERE project=? ORDER BY id DESC LIMIT ${ROWS_PER_PROJECT})`,
      project,
      project,
    );
    database.run(
      `DELETE FROM needs WHERE id <
       (SELECT coalesce(min(id), 0) FROM (SELECT id FROM needs ORDER BY id DESC LIMIT ${MAX_PROJECTS}))`,
    );
  });
}

/** The last `builds` of each project, newest first. */
export function lastNeeds(
  { database }: StoreState,
  builds: number,
): readonly { readonly project: string; readonly needs: readonly string[] }[] {
  const rows = database.all<{ project: string; results: string }>(
    `SELECT project, results FROM
     (SELECT project, results, row_number() OVER (PARTITION BY project ORDER BY id DESC) AS place FROM needs)
     WHERE place <= ?`,
    builds,
  );
  return rows.map(({ project, results }) => ({ project, needs: JSON.parse(results) as string[] }));
}
