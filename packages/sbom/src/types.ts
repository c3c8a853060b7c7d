/** The registries that packages come from, as the types of package URLs name them (purl-spec, PURL-TYPES). */
export type PackageType = "deb" | "apk" | "rpm" | "npm" | "pypi" | "golang" | "cargo";

/** A package that is installed, as its own metadata tells of it. All text is a stranger's, cut to `bounds.textLength`. */
export interface FoundPackage {
  readonly type: PackageType;
  /** As its registry writes it: `@scope/name` of npm, the module path of Go. */
  readonly name: string;
  /** Empty when the metadata has none. For rpm: `version-release`. */
  readonly version: string;
  /** Of rpm; 0 when absent. */
  readonly epoch?: number | undefined;
  readonly architecture?: string | undefined;
  /** The source package it was made of: `glibc`, `glibc@2.36-9` when the versions differ, or the name of an srpm. */
  readonly upstream?: string | undefined;
  /** As the package writes it, in the order it does; all of them hold. */
  readonly licenses: readonly string[];
  /** Who made or packaged it. */
  readonly supplier?: string | undefined;
  readonly homepage?: string | undefined;
  /** Path of the metadata below the root. */
  readonly foundIn: string;
}

/** What /etc/os-release says. */
export interface Distribution {
  /** `debian`, `alpine`, `fedora` … */
  readonly id: string;
  /** Empty for rolling ones. */
  readonly versionId: string;
  readonly name: string;
}

export interface Inventory {
  readonly distribution?: Distribution | undefined;
  /** In no particular order; one package may be in there several times. */
  readonly packages: readonly FoundPackage[];
  /** What is there and could not be read, as sentences for people: a bill of materials with such notes is not whole. */
  readonly notes: readonly string[];
}
