import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { overlayRefusal } from "@tsbuild/store";
import { expect, onTestFinished, test } from "vitest";

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-probe-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("the trial of overlayfs: skipped, needs root to mount\n");

test.runIf(isRoot)(
  "overlayfs is tried as views mount it, so that closing the trial writes nothing of the disk",
  () => {
    const folder = temporaryFolder();
    expect(overlayRefusal(nativeFs, folder, false)).toBeUndefined();
    expect(existsSync(join(folder, "work/work/incompat/volatile"))).toBe(true);
  },
);

test("a kernel that refuses is quoted", () => {
  const error = Object.assign(new Error("EINVAL: fsconfig"), { code: "EINVAL" });
  const mountOverlay = () => {
    throw error;
  };
  expect(overlayRefusal({ ...nativeFs, mountOverlay }, temporaryFolder(), false)).toBe("EINVAL: fsconfig");
});
