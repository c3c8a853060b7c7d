import type { Store } from "@tsbuild/store";
import { expect, test } from "vitest";
import { startTurn } from "../src/exec/start-turn.ts";

/** Lets everything go on that can. */
const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("steps of a state folder are prepared one after the other, in the order in which they came", async () => {
  const store = {} as Store;
  const begun: string[] = [];
  const begin = async (name: string): Promise<() => void> => {
    const started = await startTurn(store);
    begun.push(name);
    return started;
  };
  const [first, second, third] = ["first", "second", "third"].map(begin);
  const other = await startTurn({} as Store);
  await turns();
  expect(begun).toEqual(["first"]);
  (await first)?.();
  // What ends a step says so once more.
  (await first)?.();
  await turns();
  expect(begun).toEqual(["first", "second"]);
  (await second)?.();
  await turns();
  expect(begun).toEqual(["first", "second", "third"]);
  (await third)?.();
  (await startTurn(store))();
  other();
});
