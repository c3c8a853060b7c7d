import type { ExtractedLicense } from "./licenses.ts";

/** The parts of SPDX 2.3 that are written (spdx-spec, schemas/spdx-schema.json). */
export interface SpdxDocument {
  readonly spdxVersion: "SPDX-2.3";
  readonly dataLicense: "CC0-1.0";
  readonly SPDXID: "SPDXRef-DOCUMENT";
  readonly name: string;
  readonly documentNamespace: string;
  readonly creationInfo: {
    readonly created: string;
    readonly creators: readonly string[];
    readonly comment?: string | undefined;
  };
  readonly packages: readonly SpdxPackage[];
  readonly hasExtractedLicensingInfos?: readonly ExtractedLicense[] | undefined;
  readonly relationships: readonly SpdxRelationship[];
}

export interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo?: string | undefined;
  readonly supplier?: string | undefined;
  readonly downloadLocation: string;
  readonly filesAnalyzed: false;
  readonly homepage?: string | undefined;
  readonly sourceInfo?: string | undefined;
  readonly licenseConcluded: string;
  readonly licenseDeclared: string;
  readonly copyrightText: string;
  readonly primaryPackagePurpose?: "CONTAINER" | "OPERATING-SYSTEM" | "LIBRARY" | undefined;
  readonly externalRefs?: readonly SpdxReference[] | undefined;
}

export interface SpdxReference {
  readonly referenceCategory: "PACKAGE-MANAGER";
  readonly referenceType: "purl";
  readonly referenceLocator: string;
}

export interface SpdxRelationship {
  readonly spdxElementId: string;
  readonly relationshipType: "DESCRIBES" | "CONTAINS";
  readonly relatedSpdxElement: string;
}
