import { digestHex, sha256 } from "@tsbuild/base";
import { packageUrl } from "../purl.ts";
import type { Distribution, FoundPackage, Inventory } from "../types.ts";
import { LicenseExpressions } from "./licenses.ts";
import type { SpdxDocument, SpdxPackage, SpdxRelationship } from "./types.ts";

export interface DocumentOptions {
  /** What the document is about, such as an image's name. */
  readonly name: string;
  /** Milliseconds since the epoch; the caller decides, so that the same image gets the same document. */
  readonly createdMs: number;
  /** `tsbuild-0.1.0` */
  readonly tool: string;
}

const DOCUMENT = "SPDXRef-DOCUMENT";
const IMAGE = "SPDXRef-Image";
const SYSTEM = "SPDXRef-OperatingSystem";
/** Paths that are named of a package that is there many times, as modules of Go are. */
const NAMED_PATHS = 5;

/** One package by its URL, with all places where it was found. */
interface Merged {
  readonly url: string;
  readonly found: FoundPackage;
  readonly paths: string[];
}

/**
 * A bill of materials in SPDX 2.3. The same inventory, name and time give the same document byte for byte: its parts are sorted, and its
 * namespace is made of its content.
 */
export function spdxDocument(inventory: Inventory, options: DocumentOptions): SpdxDocument {
  const licenses = new LicenseExpressions();
  const merged = mergePackages(inventory);
  const { distribution } = inventory;
  const packages = [
    imagePackage(options.name),
    ...(distribution === undefined ? [] : [systemPackage(distribution)]),
    ...merged.map((one) => spdxPackage(one, licenses)),
  ];
  const extracted = licenses.extracted();
  const content = {
    packages,
    ...(extracted.length === 0 ? {} : { hasExtractedLicensingInfos: extracted }),
    relationships: relationshipsOf(packages),
  };
  const creationInfo = creationOf(inventory, options);
  const head = { name: options.name, creationInfo };
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: DOCUMENT,
    name: options.name,
    documentNamespace: `urn:uuid:${contentUuid(JSON.stringify({ head, content }))}`,
    creationInfo,
    ...content,
  };
}

/** RFC 9562, version 8: 122 bits of a digest. */
function contentUuid(text: string): string {
  const hex = digestHex(sha256(text));
  const variant = ((Number.parseInt(hex[16] ?? "0", 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function creationOf(
  { notes }: Inventory,
  { createdMs, tool }: DocumentOptions,
): SpdxDocument["creationInfo"] {
  return {
    created: `${new Date(createdMs).toISOString().slice(0, 19)}Z`,
    creators: [`Tool: ${tool}`],
    ...(notes.length === 0 ? {} : { comment: `This document is not whole. ${notes.join("; ")}` }),
  };
}

function mergePackages({ packages, distribution }: Inventory): Merged[] {
  const merged = new Map<string, Merged>();
  for (const found of packages) {
    const url = packageUrl(found, distribution);
    const same = merged.get(url);
    if (same === undefined) merged.set(url, { url, found, paths: [found.foundIn] });
    else same.paths.push(found.foundIn);
  }
  return [...merged.values()].sort((a, b) => (a.url < b.url ? -1 : 1));
}

function imagePackage(name: string): SpdxPackage {
  return {
    SPDXID: IMAGE,
    name,
    ...unknownOrigin,
    licenseDeclared: "NOASSERTION",
    primaryPackagePurpose: "CONTAINER",
  };
}

function systemPackage({ id, name, versionId }: Distribution): SpdxPackage {
  return {
    SPDXID: SYSTEM,
    name: id,
    ...(versionId === "" ? {} : { versionInfo: versionId }),
    ...unknownOrigin,
    sourceInfo: `os-release: ${name}`,
    licenseDeclared: "NOASSERTION",
    primaryPackagePurpose: "OPERATING-SYSTEM",
  };
}

/** What a look at an installed system does not tell. */
const unknownOrigin = {
  downloadLocation: "NOASSERTION",
  filesAnalyzed: false,
  licenseConcluded: "NOASSERTION",
  copyrightText: "NOASSERTION",
} as const;

function spdxPackage({ url, found, paths }: Merged, licenses: LicenseExpressions): SpdxPackage {
  const { type, name, version, epoch, supplier, homepage } = found;
  const shownVersion = epoch ? `${epoch}:${version}` : version;
  return {
    SPDXID: `SPDXRef-Package-${type}-${name.replaceAll(/[^A-Za-z0-9.-]+/g, "-").slice(0, 80)}-${digestHex(sha256(url)).slice(0, 16)}`,
    name,
    ...(shownVersion === "" ? {} : { versionInfo: shownVersion }),
    ...(supplier === undefined ? {} : { supplier: supplierOf(type, supplier) }),
    ...unknownOrigin,
    ...(homepage === undefined || !isWebAddress(homepage) ? {} : { homepage }),
    sourceInfo: `found in ${foundIn(paths)}`,
    licenseDeclared: licenses.all(found.licenses),
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: url }],
  };
}

/** Vendors of rpm are organizations; the others name people, as a rule with their address in angle brackets. */
function supplierOf(type: FoundPackage["type"], supplier: string): string {
  const withAddress = supplier.replace(/\s*<([^<>]*)>.*$/, " ($1)");
  return `${type === "rpm" ? "Organization" : "Person"}: ${withAddress}`;
}

function isWebAddress(text: string): boolean {
  return /^https?:\/\/[^\s]+$/i.test(text) && URL.canParse(text);
}

function foundIn(paths: readonly string[]): string {
  const sorted = [...new Set(paths)].sort();
  const named = sorted.slice(0, NAMED_PATHS).map((path) => `/${path}`);
  const more = sorted.length - named.length;
  return more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
}

function relationshipsOf(packages: readonly SpdxPackage[]): SpdxRelationship[] {
  const contained = packages.filter(({ SPDXID }) => SPDXID !== IMAGE);
  return [
    { spdxElementId: DOCUMENT, relationshipType: "DESCRIBES", relatedSpdxElement: IMAGE },
    ...contained.map(
      ({ SPDXID }): SpdxRelationship => ({
        spdxElementId: IMAGE,
        relationshipType: "CONTAINS",
        relatedSpdxElement: SPDXID,
      }),
    ),
  ];
}
