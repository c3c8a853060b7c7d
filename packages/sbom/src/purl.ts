import type { Distribution, FoundPackage } from "./types.ts";

/** A part of a package URL: what is not percent-encoded (purl-spec, "Rules for each purl component"). */
function encoded(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%3A", ":");
}

/** `github.com/spf13/cobra`: all but the last part are the namespace, and slashes between them stay. */
function path(name: string): string {
  return name
    .split("/")
    .filter((part) => part !== "")
    .map(encoded)
    .join("/");
}

/** Namespace and name, by the rules of each type (PURL-TYPES). */
function nameOf(found: FoundPackage, distribution: Distribution | undefined): string {
  const { type, name } = found;
  switch (type) {
    case "deb":
    case "apk":
    case "rpm":
      return `${encoded(distribution?.id ?? DEFAULT_NAMESPACE[type])}/${encoded(type === "rpm" ? name : name.toLowerCase())}`;
    case "pypi":
      return encoded(name.toLowerCase().replaceAll("_", "-"));
    case "golang":
      return path(name.toLowerCase());
    case "npm":
      return path(name.toLowerCase());
    case "cargo":
      return encoded(name);
  }
}

const DEFAULT_NAMESPACE = { deb: "debian", apk: "alpine", rpm: "rpm" } as const;

function qualifiersOf(found: FoundPackage, distribution: Distribution | undefined): string {
  const { type, architecture, epoch, upstream } = found;
  if (type !== "deb" && type !== "apk" && type !== "rpm") return "";
  const distro = [distribution?.id, distribution?.versionId].filter(Boolean).join("-");
  const all = {
    arch: architecture,
    distro,
    epoch: epoch === undefined ? undefined : String(epoch),
    upstream,
  };
  const given = Object.entries(all).flatMap(([key, value]) => (value ? [`${key}=${encoded(value)}`] : []));
  return given.length === 0 ? "" : `?${given.join("&")}`;
}

/** The package URL, by which scanners know a package: `pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc`. */
export function packageUrl(found: FoundPackage, distribution: Distribution | undefined): string {
  const version = found.version === "" ? "" : `@${encoded(found.version)}`;
  return `pkg:${found.type}/${nameOf(found, distribution)}${version}${qualifiersOf(found, distribution)}`;
}
