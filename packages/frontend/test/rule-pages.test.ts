import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rulePages, rulePagesFolder } from "../../../scripts/rule-pages.ts";

test("docs/rules is what the catalogue says (node scripts/rule-pages.ts)", () => {
  const pages = rulePages();
  expect(readdirSync(rulePagesFolder).sort()).toEqual([...pages.keys()].sort());
  for (const [name, text] of pages)
    expect(readFileSync(join(rulePagesFolder, name), "utf8"), name).toBe(text);
});
