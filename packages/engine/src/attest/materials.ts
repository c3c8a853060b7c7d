import { type Digest, digestHex, type Platform } from "@tsbuild/base";
import { imagePurl } from "@tsbuild/export";
import type { Graph, SourceOp } from "@tsbuild/llb";

/** Something that went into a build, with what it was (SLSA, ResourceDescriptor). */
export interface Material {
  readonly uri: string;
  readonly digest?: Readonly<Record<string, string>>;
}

/** What the sources of a build are told by: the identifier that was really read, and the commit or digest that it turned out to be. */
export interface FoundSources {
  apply(source: { readonly identifier: string; readonly attrs: Readonly<Record<string, string>> }): {
    readonly identifier: string;
  };
  valueOf(identifier: string): string | undefined;
}

const DIGEST = /@(sha256:[0-9a-f]{64})$/;

function imageMaterial(name: string, platform: Platform | undefined): Material {
  const digest = DIGEST.exec(name)?.[1] as Digest | undefined;
  const plain = name.replace(DIGEST, "");
  const uri = imagePurl(plain, platform === undefined ? {} : { platform });
  return { uri, ...(digest === undefined ? {} : { digest: { sha256: digestHex(digest) } }) };
}

/** `oci-layout://NAME@DIGEST`: no registry has it, so it is known by its digest alone (purl-spec, type oci). */
function layoutMaterial(name: string, platform: Platform | undefined): Material {
  const digest = DIGEST.exec(name)?.[1] as Digest | undefined;
  const last = name.replace(DIGEST, "").split("/").at(-1) ?? "";
  const version = digest === undefined ? "" : `@${encodeURIComponent(digest)}`;
  const query =
    platform === undefined
      ? ""
      : `?platform=${encodeURIComponent(`${platform.os}/${platform.architecture}`)}`;
  return {
    uri: `pkg:oci/${encodeURIComponent(last)}${version}${query}`,
    ...(digest === undefined ? {} : { digest: { sha256: digestHex(digest) } }),
  };
}

/** A URL without user and password. */
export function withoutUser(url: string): string {
  return url.replace(/^([a-z][a-z+.-]*:\/\/)[^/@]*@/i, "$1");
}

/** A commit by the name of its hash: SHA-1, or SHA-256 in repositories that have it. */
export function commitDigest(commit: string): Readonly<Record<string, string>> {
  return commit.length === 64 ? { sha256: commit } : { sha1: commit };
}

function gitMaterial({ identifier, attrs }: SourceOp, commit: string | undefined): Material {
  const [address = "", fragment = ""] = identifier.split("#");
  const ref = fragment.split(":", 1)[0] ?? "";
  const url = withoutUser(attrs["git.fullurl"] ?? address.replace(/^git:\/\//, "https://"));
  return {
    uri: ref === "" ? url : `${url}#${ref}`,
    ...(commit === undefined ? {} : { digest: commitDigest(commit) }),
  };
}

function materialOf(
  source: SourceOp,
  platform: Platform | undefined,
  found: FoundSources,
): Material | undefined {
  const { identifier } = found.apply(source);
  const [scheme = "", rest = ""] = identifier.split(/:\/\/(.*)/s);
  const value = found.valueOf(source.identifier);
  switch (scheme) {
    case "docker-image":
      return imageMaterial(rest, platform);
    case "oci-layout":
      return layoutMaterial(rest, platform);
    case "git":
      return gitMaterial({ ...source, identifier }, value);
    case "http":
    case "https":
      return {
        uri: withoutUser(identifier),
        ...(value === undefined ? {} : { digest: { sha256: digestHex(value as Digest) } }),
      };
    default:
      // A local folder is nothing that anybody else could get.
      return undefined;
  }
}

/** Everything that the steps of a graph read from outside, each once, sorted (X030): equal builds say equal things. */
export function materialsOf(graph: Graph, found: FoundSources): Material[] {
  const materials = graph.vertices.flatMap(({ op }) => {
    const { kind, platform } = op;
    return kind.type === "source" ? (materialOf(kind, platform, found) ?? []) : [];
  });
  const byText = new Map(materials.map((material) => [JSON.stringify(material), material]));
  return [...byText.values()].sort((a, b) => (a.uri < b.uri ? -1 : 1));
}

/** Names of the local folders that steps read. */
export function localsOf(graph: Graph): string[] {
  const names = graph.vertices.flatMap(({ op: { kind } }) =>
    kind.type === "source" && kind.identifier.startsWith("local://")
      ? [kind.identifier.slice("local://".length)]
      : [],
  );
  return [...new Set(names)].sort();
}
