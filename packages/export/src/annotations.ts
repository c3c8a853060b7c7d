import { formatPlatform, type Platform, TsbuildError } from "@tsbuild/base";
import type { ExportRequest } from "./types.ts";

/** What an annotation is put on (C018): a manifest, an index, or what lists one of them. */
export type AnnotationScope = "manifest" | "index" | "manifest-descriptor" | "index-descriptor";

/** `annotation[-SCOPE][[PLATFORM]].KEY=VALUE` of an output. */
export interface Annotation {
  readonly scope: AnnotationScope;
  /** As `formatPlatform` writes it; undefined: all of them. */
  readonly platform: string | undefined;
  readonly key: string;
  readonly value: string;
}

const OPTION =
  /^annotation(?:-(?<scope>manifest-descriptor|index-descriptor|manifest|index))?(?:\[(?<platform>[^\]]+)\])?\.(?<key>.+)$/;

export function isAnnotation(key: string): boolean {
  return OPTION.test(key);
}

/** The annotations among the options of an output. Throws TSB_USAGE for an index of one platform. */
export function parseAnnotations({ type, attrs }: ExportRequest): readonly Annotation[] {
  return Object.entries(attrs).flatMap(([option, value]): Annotation[] => {
    const { scope = "manifest", platform, key } = OPTION.exec(option)?.groups ?? {};
    if (key === undefined) return [];
    const isIndex = scope.startsWith("index");
    if (isIndex && platform !== undefined) {
      throw new TsbuildError("TSB_USAGE", `output type=${type}: ${option}: an index has no platform`, {
        hint: `annotation-${scope}.${key}=… without [${platform}]`,
      });
    }
    return [{ scope: scope as AnnotationScope, platform, key, value }];
  });
}

/** Those of one scope that count for a platform; of one key the last, a platform's own before the general. */
export function annotationsFor(
  annotations: readonly Annotation[],
  scope: AnnotationScope,
  platform?: Platform,
): Record<string, string> {
  const name = platform === undefined ? undefined : formatPlatform(platform);
  const fitting = annotations.filter((one) => one.scope === scope);
  const general = fitting.filter((one) => one.platform === undefined);
  const own = fitting.filter((one) => one.platform !== undefined && one.platform === name);
  return Object.fromEntries([...general, ...own].map(({ key, value }) => [key, value]));
}

/**
 * Refuses what would be dropped without a word: an annotation for a platform that is not among the images, or for an index where there
 * is none (X026).
 */
export function checkAnnotations(
  annotations: readonly Annotation[],
  output: { readonly type: string; readonly platforms: readonly Platform[]; readonly hasIndex: boolean },
): void {
  const built = output.platforms.map(formatPlatform);
  for (const { scope, platform, key } of annotations) {
    if (platform !== undefined && !built.includes(platform)) {
      throw new TsbuildError(
        "TSB_USAGE",
        `output type=${output.type}: the annotation ${key} is for ${platform}, which is not built`,
        { hint: `this build is for ${built.join(", ")}` },
      );
    }
    if (scope.startsWith("index") && !output.hasIndex) {
      throw new TsbuildError(
        "TSB_USAGE",
        `output type=${output.type}: the annotation ${key} is for an index, and one platform alone has none`,
        {
          hint: `annotation-manifest.${key}=…, or build for several platforms: --platform linux/amd64,linux/arm64`,
        },
      );
    }
  }
}

/** `{}` for no annotations: a document without any has no such field. */
export function annotated(annotations: Record<string, string>): { annotations?: Record<string, string> } {
  return Object.keys(annotations).length === 0 ? {} : { annotations };
}
