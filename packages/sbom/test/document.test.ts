import { expect, test } from "vitest";
import { packageUrl } from "../src/purl.ts";
import { spdxDocument } from "../src/spdx/document.ts";
import type { FoundPackage, Inventory } from "../src/types.ts";

const base = { licenses: [], foundIn: "x" };
const debian = { id: "debian", versionId: "12", name: "Debian GNU/Linux 12 (bookworm)" };

test.each<[FoundPackage, string]>([
  [
    {
      ...base,
      type: "deb",
      name: "libc6",
      version: "1:2.36-9+deb12u10~x",
      architecture: "amd64",
      upstream: "glibc@2",
    },
    "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u10~x?arch=amd64&distro=debian-12&upstream=glibc%402",
  ],
  [
    { ...base, type: "rpm", name: "Bash", version: "5.2-1", epoch: 0, architecture: "x86_64" },
    "pkg:rpm/debian/Bash@5.2-1?arch=x86_64&distro=debian-12&epoch=0",
  ],
  [{ ...base, type: "npm", name: "@types/node", version: "1.0.0" }, "pkg:npm/%40types/node@1.0.0"],
  [{ ...base, type: "pypi", name: "Foo_Bar", version: "1.0+local" }, "pkg:pypi/foo-bar@1.0%2Blocal"],
  [
    { ...base, type: "golang", name: "github.com/A/b", version: "v1.0.0" },
    "pkg:golang/github.com/a/b@v1.0.0",
  ],
  [{ ...base, type: "golang", name: "example.com/app", version: "" }, "pkg:golang/example.com/app"],
  [{ ...base, type: "cargo", name: "serde", version: "1.0.0" }, "pkg:cargo/serde@1.0.0"],
])("%o has the URL %s", (found, url) => {
  expect(packageUrl(found, debian)).toBe(url);
});

const inventory: Inventory = {
  distribution: debian,
  notes: [],
  packages: [
    { ...base, type: "npm", name: "b", version: "1.0.0", licenses: ["MIT"], foundIn: "b/package.json" },
    {
      ...base,
      type: "deb",
      name: "a",
      version: "1",
      supplier: "A <a@example.com>",
      homepage: "https://a.example",
    },
    { ...base, type: "npm", name: "b", version: "1.0.0", licenses: ["MIT"], foundIn: "a/package.json" },
    { ...base, type: "npm", name: "c", version: "1.0.0", licenses: ["own words"], homepage: "javascript:1" },
  ],
};
const options = { name: "app:1", createdMs: Date.UTC(2024, 0, 2, 3, 4, 5, 678), tool: "tsbuild-0.1.0" };

test("a document: what it describes, in order, one package for all its places", () => {
  const document = spdxDocument(inventory, options);
  expect(document).toMatchObject({
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    name: "app:1",
    creationInfo: { created: "2024-01-02T03:04:05Z", creators: ["Tool: tsbuild-0.1.0"] },
  });
  expect(document.packages.map(({ name }) => name)).toEqual(["app:1", "debian", "a", "b", "c"]);
  const [, , a, b, c] = document.packages;
  expect(a).toMatchObject({ supplier: "Person: A (a@example.com)", homepage: "https://a.example" });
  expect(b).toMatchObject({
    versionInfo: "1.0.0",
    licenseDeclared: "MIT",
    sourceInfo: "found in /a/package.json, /b/package.json",
  });
  expect(c).not.toHaveProperty("homepage");
  expect(document.hasExtractedLicensingInfos).toEqual([
    { licenseId: c?.licenseDeclared, extractedText: "own words", name: "own words" },
  ]);
  expect(document.relationships).toHaveLength(5);
  expect(document.relationships[0]).toEqual({
    spdxElementId: "SPDXRef-DOCUMENT",
    relationshipType: "DESCRIBES",
    relatedSpdxElement: document.packages[0]?.SPDXID,
  });
  expect(new Set(document.packages.map(({ SPDXID }) => SPDXID)).size).toBe(5);
});

test("the order in which things were found does not matter, their content does", () => {
  const document = spdxDocument(inventory, options);
  const turned = spdxDocument({ ...inventory, packages: inventory.packages.toReversed() }, options);
  // Of several descriptions of one package any may be told; these are equal but for their place.
  expect(JSON.stringify(turned)).toBe(JSON.stringify(document));
  expect(document.documentNamespace).toMatch(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  const other = spdxDocument({ ...inventory, packages: inventory.packages.slice(1) }, options);
  expect(other.documentNamespace).not.toBe(document.documentNamespace);
});

test("what was not read is said in the document", () => {
  const document = spdxDocument({ packages: [], notes: ["/var/lib/rpm/Packages: not read"] }, options);
  expect(document.creationInfo.comment).toBe("This document is not whole. /var/lib/rpm/Packages: not read");
});
