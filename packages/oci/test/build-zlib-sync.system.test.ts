import { existsSync, statSync } from "node:fs";
import { expect, test } from "vitest";
import { buildZlibSync } from "../native/build-zlib-sync.ts";

test("zlib-sync is compiled once, offline, and loads", async () => {
  const path = await buildZlibSync();
  expect(existsSync(path)).toBe(true);
  const built = statSync(path).mtimeMs;
  expect(await buildZlibSync()).toBe(path);
  expect(statSync(path).mtimeMs).toBe(built);
});
