import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files of half a minute and more, the longest first: one that is begun last is waited for with one processor idle. */
const LONG = [
  "test/fuzz/hostile.test.ts",
  "test/interop/debian.test.ts",
  "test/e2e/rootless.test.ts",
  "test/faults/registry.test.ts",
  "test/interop/docker-build.test.ts",
  "packages/ops/test/incremental-copy.system.test.ts",
  "test/e2e/cache-sharing.test.ts",
  "native/fs/test/sanitize.system.test.ts",
  "packages/store/test/views.system.test.ts",
  "packages/store/test/crash.system.test.ts",
  "test/faults/soak.test.ts",
];

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((file) => moduleId.endsWith(`/${file}`));
  return place === -1 ? LONG.length : place;
}

/** As vitest has it, but for those that are known to take long. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
