/** What weaken.ts takes out is where its list says: an entry whose source has changed would prove nothing, and be seen only when somebody runs it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { weakenings } from "../faults/weaken-list.ts";

const top = join(import.meta.dirname, "../..");

test.each(weakenings.map((one) => [one.name, one.edits] as const))("%s", (_, edits) => {
  for (const { file, from } of edits) {
    const count = readFileSync(join(top, file), "utf8").split(from).length - 1;
    expect(`${file}: ${count} of ${from}`).toBe(`${file}: 1 of ${from}`);
  }
});
