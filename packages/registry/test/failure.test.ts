import { expect, test } from "vitest";
import { connectionError } from "../src/failure.ts";

test.each([
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "the certificate of h:5000 is not trusted", "certs.d/h:5000/ca.crt"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "the certificate of h:5000 is not trusted", "certs.d/h:5000/ca.crt"],
  ["ECONNRESET", "the connection broke to h:5000", undefined],
  ["ECONNREFUSED", "cannot reach h:5000", "TSBUILD_MIRROR"],
])("%s", (code, why, hint) => {
  const told = connectionError("pulling x", "https://h:5000/v2/", Object.assign(new Error(code), { code }));
  expect(told.message).toBe(`pulling x: ${why}: ${code}`);
  if (hint === undefined) expect(told.hint).toBeUndefined();
  else expect(told.hint).toContain(hint);
});
