import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/longest-first.ts";

/** End-to-end tests that run a second time, as a normal user: all that depends on what a user may do. */
const ROOTLESS = [
  ...["build", "copy", "exec", "add", "context", "contexts", "mirror", "grants", "limits", "errors"],
  ...[
    "failed-step",
    "failure-output",
    "odd-trees",
    "network",
    "oci-runtime",
    "git-ssh",
    "emulation",
    "load",
    "verify",
  ],
];

/**
 * End-to-end tests that run a second time with steps in runc: all whose outcome is the runtime's to give. The rest passes there, too, and is
 * left to whoever changes the runtime's part: `TSBUILD_OCI_RUNTIME=runc vitest run --project system test/e2e`.
 */
const IN_RUNC = [
  ...["exec", "grants", "limits", "failed-step", "failure-output", "network"],
  ...["build", "copy", "add", "context", "contexts", "container", "errors", "targets", "program"],
];

/** Attacks on what a normal user's builds promise as well. */
const ROOTLESS_ATTACKS = ["kernel", "secrets"];

/**
 * - house: rules of the code base (import table); seconds.
 * - unit: every package's own tests; no root, no network, no Debian package needed.
 * - system: real mounts, namespaces, processes and peers; skips with a printed reason where the machine lacks something.
 * - rootless: end-to-end tests again, as a normal user with subordinate ids, who is made for it.
 * - runc: end-to-end tests again, with steps in runc instead of the native sandbox: the spec is one, whoever performs it.
 */
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { name: "house", include: ["test/house/**/*.test.ts"] } },
      {
        test: {
          name: "unit",
          include: ["packages/*/test/**/*.test.ts", "native/*/test/**/*.test.ts"],
          exclude: ["**/*.system.test.ts"],
          // No test measures time; a loaded machine may take its own.
          testTimeout: 300_000,
          maxWorkers: 2,
          // Reading our modules once and not for each of 200 files is half of the time; no test leaves anything behind in them.
          isolate: false,
        },
      },
      {
        test: {
          name: "system",
          include: [
            "packages/*/test/**/*.system.test.ts",
            "native/*/test/**/*.system.test.ts",
            "test/{e2e,conformance,interop,attacks,faults,fuzz}/**/*.test.ts",
          ],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "rootless",
          include: [
            ...ROOTLESS.map((name) => `test/e2e/${name}.test.ts`),
            ...ROOTLESS_ATTACKS.map((name) => `test/attacks/${name}.test.ts`),
          ],
          env: { TSBUILD_TEST_USER: `tsbuild-u${process.pid}` },
          globalSetup: "test/e2e/make-user.ts",
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "runc",
          include: IN_RUNC.map((name) => `test/e2e/${name}.test.ts`),
          env: { TSBUILD_OCI_RUNTIME: "runc" },
          testTimeout: 300_000,
          hookTimeout: 300_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
