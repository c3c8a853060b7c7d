import { expect, test } from "vitest";
import { checkFit } from "../src/fit.ts";
import type { ExportRequest } from "../src/types.ts";

const AMD = { platform: { os: "linux", architecture: "amd64" } };
const ARM = { platform: { os: "linux", architecture: "arm64" } };

const PLAIN = { isAttested: false, names: [] };

function oci(attrs: Readonly<Record<string, string>>): ExportRequest[] {
  return [{ type: "oci", attrs }];
}

test("an annotation needs its platform, or its index, to be built (X026)", () => {
  const own = oci({ "annotation[linux/arm64].a": "b" });
  expect(() => checkFit(own, [AMD], PLAIN)).toThrow("linux/arm64, which is not built");
  checkFit(own, [AMD, ARM], PLAIN);
  const index = oci({ "annotation-index.a": "b" });
  expect(() => checkFit(index, [AMD], PLAIN)).toThrow("for an index, and one platform alone has none");
  checkFit(index, [AMD, ARM], PLAIN);
  checkFit(index, [AMD], { ...PLAIN, isAttested: true });
});

test("rewrite-timestamp needs a time (X020)", () => {
  const cut = oci({ "rewrite-timestamp": "true" });
  expect(() => checkFit(cut, [{ ...AMD, epochSeconds: 1 }, ARM], PLAIN)).toThrow(
    "needs a time to cut off at",
  );
  checkFit(cut, [{ ...AMD, epochSeconds: 0 }], PLAIN);
  checkFit(oci({ "rewrite-timestamp": "false" }), [AMD], PLAIN);
});

test("what is pushed needs a name, and is told so before it is built", () => {
  const registry: ExportRequest[] = [{ type: "registry", attrs: {} }];
  expect(() => checkFit(registry, [AMD], PLAIN)).toThrow("needs a name");
  expect(() => checkFit([{ type: "image", attrs: { push: "true" } }], [AMD], PLAIN)).toThrow("needs a name");
  checkFit(registry, [AMD], { ...PLAIN, names: ["h/x"] });
  checkFit([{ type: "registry", attrs: { name: "h/x" } }, ...oci({})], [AMD], PLAIN);
  expect(() => checkFit([{ type: "registry", attrs: { push: "0" } }], [AMD], PLAIN)).toThrow("push=false");
});
