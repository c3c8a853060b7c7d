import type { Store } from "./api.ts";
import type { StateDatabase } from "./database.ts";
import type { Durability } from "./durability.ts";
import type { Layout } from "./layout.ts";
import type { Lease } from "./leases.ts";
import type { NativeCalls } from "./native.ts";
import type { NeedsLog } from "./needs.ts";
import type { Scraps } from "./scraps.ts";
import type { Trash } from "./trash.ts";

/** What the parts of one open store share. */
export interface StoreState {
  readonly layout: Layout;
  readonly database: StateDatabase;
  readonly lease: Lease;
  readonly trash: Trash;
  readonly scraps: Scraps;
  readonly native: NativeCalls;
  readonly needs: NeedsLog;
  readonly durability: Durability;
}

const states = new WeakMap<Store, StoreState>();

export function rememberState(store: Store, state: StoreState): void {
  states.set(store, state);
}

/** The inside of a store made by `openStore`, for collection and checking: with all in the database that was saved so far. */
export function stateOf(store: Store): StoreState {
  const state = states.get(store);
  if (state === undefined) throw new TypeError("not a store made by openStore");
  store.cache.flush?.();
  return state;
}
