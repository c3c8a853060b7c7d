import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { overlayRefusal } from "@tsbuild/store";
import { expect, onTestFinished, test } from "vitest";

function tried(code: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-probe-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const mountOverlay = (): number => {
    throw Object.assign(new Error(`${code}: fsconfig`), { code });
  };
  return overlayRefusal({ ...nativeFs, mountOverlay }, folder, false);
}

test("a kernel that refuses an overlay is quoted; a fault is no answer", () => {
  expect(tried("EINVAL")).toBe("EINVAL: fsconfig");
  expect(() => tried("EIO")).toThrow("EIO: fsconfig");
});
