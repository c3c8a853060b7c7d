import { expect, test } from "vitest";
import { LicenseExpressions } from "../src/spdx/licenses.ts";

const written = (...texts: string[]) => new LicenseExpressions().all(texts);

test.each([
  ["MIT", "MIT"],
  ["mit", "MIT"],
  ["Expat", "MIT"],
  ["GPL-2", "GPL-2.0-only"],
  ["GPL-2+", "GPL-2.0-or-later"],
  ["GPL-2.0+", "GPL-2.0-or-later"],
  ["GPLv2+", "GPL-2.0-or-later"],
  ["LGPLv2.1", "LGPL-2.1-only"],
  ["LGPL-2.1+", "LGPL-2.1-or-later"],
  ["GFDL-1.3+", "GFDL-1.3-or-later"],
  ["GPL-2.0-only", "GPL-2.0-only"],
  ["BSD-3-clause", "BSD-3-Clause"],
  ["GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"],
  ["GPL-2+, and Expat", "GPL-2.0-or-later AND MIT"],
  ["(MIT OR Apache-2.0) AND ISC", "(MIT OR Apache-2.0) AND ISC"],
  ["(MIT or Apache-2.0)", "(MIT OR Apache-2.0)"],
  ["GPL-2.0-or-later WITH Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"],
  ["public-domain", "LicenseRef-public-domain"],
])("%s is %s", (text, expression) => {
  expect(written(text)).toBe(expression);
});

test("all licences of a package hold; none is no assertion", () => {
  expect(written("GPL-2+", "Expat", "MIT", "MIT or ISC")).toBe("GPL-2.0-or-later AND MIT AND (MIT OR ISC)");
  expect(written()).toBe("NOASSERTION");
});

test("what has no name is a reference whose text is kept", () => {
  const licenses = new LicenseExpressions();
  const expression = licenses.all(["SEE LICENSE IN <file>", "MIT OR (odd", "and"]);
  const { all, refs } = { all: licenses.extracted(), refs: expression.split(" AND ") };
  expect(refs.every((ref) => /^LicenseRef-[A-Za-z0-9.-]+$/.test(ref))).toBe(true);
  expect(all.map(({ extractedText }) => extractedText).sort()).toEqual([
    "MIT OR (odd",
    "SEE LICENSE IN <file>",
    "and",
  ]);
  expect(all.map(({ licenseId }) => licenseId).sort()).toEqual([...refs].sort());
});
