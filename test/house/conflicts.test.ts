/** No file that is under version control has the marks of a merge that nobody finished. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const top = join(import.meta.dirname, "../..");
const MARK = /^(?:<{7}|>{7}|\|{7}) /m;

test("no merge is left half done", () => {
  const files = execFileSync("git", ["ls-files", "-z"], { cwd: top, encoding: "utf8" }).split("\0");
  const marked = files.filter((file) => file !== "" && MARK.test(readFileSync(join(top, file), "latin1")));
  expect(marked).toEqual([]);
});
