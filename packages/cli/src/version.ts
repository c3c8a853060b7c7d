import packageFile from "../package.json" with { type: "json" };

/** `tsbuild 0.1.0`. */
export function versionText(): string {
  return `tsbuild ${packageFile.version}`;
}
