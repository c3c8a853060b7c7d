import type { Digest, Platform } from "@tsbuild/base";
import { type Annotations, PlannedVertex } from "./planned-vertex.ts";
import { State } from "./state.ts";

interface SourceOptions {
  readonly annotations?: Annotations | undefined;
}

/** A source op of any scheme. `platform` only for sources that differ by platform. */
export function source(
  identifier: string,
  attrs: Readonly<Record<string, string>>,
  options: SourceOptions & { readonly platform?: Platform | undefined } = {},
): State {
  const vertex = new PlannedVertex({
    inputs: [],
    platform: options.platform,
    annotations: options.annotations,
    describe: () => ({ type: "source", identifier, attrs }),
  });
  return new State(() => ({ vertex, index: 0 }), options.platform);
}

export interface ImageOptions extends SourceOptions {
  readonly platform: Platform;
  /** Pins the image. */
  readonly digest?: Digest | undefined;
  readonly resolveMode?: "default" | "pull" | "local" | undefined;
}

/** A container image by its full name, e.g. `docker.io/library/alpine:latest`. */
export function image(name: string, options: ImageOptions): State {
  const { digest, resolveMode, ...rest } = options;
  const attrs: Record<string, string> =
    resolveMode === undefined || resolveMode === "default" ? {} : { "image.resolvemode": resolveMode };
  const pin = digest === undefined || name.includes("@") ? "" : `@${digest}`;
  return source(`docker-image://${name}${pin}`, attrs, rest);
}

export interface LocalOptions extends SourceOptions {
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  /** Paths that are needed, with the targets of links on the way. */
  readonly followPaths?: readonly string[] | undefined;
  readonly sharedKeyHint?: string | undefined;
}

/** A folder of the user's, by the name that the build request gives it. */
export function local(name: string, options: LocalOptions = {}): State {
  const attrs: Record<string, string> = {};
  const list = (key: string, values: readonly string[] | undefined) => {
    if (values !== undefined && values.length > 0) attrs[key] = JSON.stringify(values);
  };
  list("local.includepattern", options.includePatterns);
  list("local.followpaths", options.followPaths);
  list("local.excludepatterns", options.excludePatterns);
  if (options.sharedKeyHint) attrs["local.sharedkeyhint"] = options.sharedKeyHint;
  return source(`local://${name}`, attrs, { annotations: options.annotations });
}

export interface HttpOptions extends SourceOptions {
  readonly filename?: string | undefined;
  readonly checksum?: string | undefined;
  /** Permission bits of the file. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** One file from an http or https URL. */
export function http(url: string, options: HttpOptions = {}): State {
  const attrs: Record<string, string> = {};
  if (options.checksum) attrs["http.checksum"] = options.checksum;
  if (options.filename) attrs["http.filename"] = options.filename;
  if (options.mode) attrs["http.perm"] = `0${options.mode.toString(8)}`;
  if (options.uid) attrs["http.uid"] = String(options.uid);
  if (options.gid) attrs["http.gid"] = String(options.gid);
  return source(url, attrs, { annotations: options.annotations });
}

export interface OciLayoutOptions extends SourceOptions {
  readonly platform: Platform;
  /** Name of the layout in the build request. */
  readonly storeId?: string | undefined;
}

/** An image of an OCI layout folder: `name@sha256:…`. */
export function ociLayout(name: string, options: OciLayoutOptions): State {
  const { storeId, ...rest } = options;
  return source(`oci-layout://${name}`, storeId ? { "oci.store": storeId } : {}, rest);
}
