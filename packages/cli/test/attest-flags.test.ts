import { expect, test } from "vitest";
import { parseAnnotation, parseAttestations } from "../src/flags/attest.ts";

const none = { attest: [], provenance: undefined, sbom: undefined };

test.each([
  [{ provenance: "true" }, [{ type: "provenance", attrs: {} }]],
  [
    { provenance: "mode=max,version=v0.2" },
    [{ type: "provenance", attrs: { mode: "max", version: "v0.2" } }],
  ],
  [{ provenance: "false" }, []],
  [{ attest: ["type=provenance"], provenance: "false" }, []],
  [{ attest: ["type=sbom,disabled=true"] }, []],
  [{ attest: ["type=sbom"], sbom: "generator=x" }, [{ type: "sbom", attrs: { generator: "x" } }]],
])("%j asks for %j", (flags, wanted) => {
  expect(parseAttestations({ ...none, ...flags })).toEqual(wanted);
});

test.each(["type=other", "mode=max", "provenance"])("--attest %s is refused", (text) => {
  expect(() => parseAttestations({ ...none, attest: [text] })).toThrow(
    expect.objectContaining({ code: "TSB_USAGE" }),
  );
});

test("an annotation needs a value", () => {
  expect(() => parseAnnotation("index:key")).toThrow(expect.objectContaining({ code: "TSB_USAGE" }));
});
