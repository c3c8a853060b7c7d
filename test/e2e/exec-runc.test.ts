/** The tests of RUN once more, with steps in runc: the spec is one, whoever performs it. */
import { missing } from "./world.ts";

const why = missing("runc");
if (why === undefined) {
  process.env["TSBUILD_OCI_RUNTIME"] = "runc";
  await import("./exec.test.ts");
} else {
  const { test } = await import("vitest");
  process.stderr.write(`exec-runc.test.ts: skipped: ${why}\n`);
  test.skipIf(true)("RUN in runc", () => undefined);
}
