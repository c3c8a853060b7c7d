import { TsbuildError } from "@tsbuild/base";
import type { CompiledPlatform, CompileRequest, ImageResolver, Warning } from "../api.ts";
import { compilePlatforms, startCompilation } from "../compile.ts";
import { dumpGraph, type GraphDump } from "./dump-graph.ts";

export interface WarningDump {
  readonly rule: string;
  readonly msg: string;
  readonly lines: readonly [number, number];
}

export interface ErrorDump {
  readonly error: string;
  /** Absent when the error has no place. */
  readonly lines?: readonly (readonly [number, number])[];
}

/** Result of one compilation for one platform as plain JSON: what `tsbuild debug dump-llb` prints. */
export interface BuildDump {
  readonly warnings: readonly WarningDump[];
  readonly error?: ErrorDump;
  readonly llb?: GraphDump;
  readonly image?: Readonly<Record<string, unknown>>;
  /** Seconds, from SOURCE_DATE_EPOCH. */
  readonly epoch?: number;
  /** Names of what a scan for a bill of materials looks at beside the result. */
  readonly sbomExtras?: readonly string[];
}

export function dumpWarnings(warnings: readonly Warning[]): WarningDump[] {
  return warnings
    .map(({ rule, message: msg, ranges: [range] }): WarningDump => {
      return { rule, msg, lines: [range?.start ?? 0, range?.end ?? 0] };
    })
    .sort((a, b) => a.lines[0] - b.lines[0] || compare(a.rule, b.rule) || compare(a.msg, b.msg));
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

export function dumpError({ message, source }: TsbuildError): ErrorDump {
  const lines = source?.ranges.map(({ start, end }): [number, number] => [start, end]) ?? [];
  return { error: message, ...(lines.length === 0 ? {} : { lines }) };
}

/**
 * The config as BuildKit's frontend leaves it: a list of layers that was never made is null, and when the image was
 * created is said by `epoch`, as it is the exporter that writes it.
 */
function dumpImage({ rootfs, created: _, ...image }: CompiledPlatform["image"]): object {
  return { ...image, rootfs: { ...rootfs, diff_ids: rootfs.diff_ids.length === 0 ? null : rootfs.diff_ids } };
}

function dumpPlatform(platform: CompiledPlatform, warnings: readonly WarningDump[]): BuildDump {
  const { graph, image, epochSeconds: epoch } = platform;
  const sbomExtras = platform.sbomExtras?.map(({ name }) => name);
  const dump = { warnings, llb: dumpGraph(graph), image: dumpImage(image), epoch, sbomExtras };
  // Through JSON, so that what is undefined is absent.
  return JSON.parse(JSON.stringify(dump)) as BuildDump;
}

/**
 * Compiles and tells everything about it, one entry per platform; a refusal is an entry, too, also that of the
 * options that `request` reads.
 */
export async function dumpBuild(
  request: () => CompileRequest,
  resolver: ImageResolver,
): Promise<BuildDump[]> {
  const warnings: Warning[] = [];
  try {
    const platforms = await compilePlatforms(startCompilation(request(), resolver), warnings);
    return platforms.map((platform) => dumpPlatform(platform, dumpWarnings(warnings)));
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    return [{ warnings: dumpWarnings(warnings), error: dumpError(error) }];
  }
}
