import { formatPlatform, hostPlatform, TsbuildError } from "@tsbuild/base";
import type { CompiledPlatform, ImageResolver } from "@tsbuild/frontend";
import { type Graph, image, type RunMount, type RunOptions, scratch, stateOf } from "@tsbuild/llb";
import { formatReference, type ImageConfig, parseReference } from "@tsbuild/oci";

import { scannedName } from "./scanned-name.ts";

/** Where a scanner finds its input and puts its output (BuildKit, docs/attestations/sbom-protocol.md). */
const OUT = "/run/out";
const CORE = "/run/src/core/sbom";
const EXTRAS = "/run/src/extras";

export interface ScannerRequest {
  /** Name of the scanner's image. */
  readonly generator: string;
  /** Told to the scanner, each as `BUILDKIT_SCAN_KEY`. */
  readonly options: Readonly<Record<string, string>>;
  readonly network: RunOptions["network"];
  readonly resolver: ImageResolver;
}

/** A scanner that is known by now: what it runs, pinned. */
interface Scanner {
  readonly name: string;
  readonly config: ImageConfig;
}

async function resolveScanner({ generator, resolver }: ScannerRequest): Promise<Scanner> {
  const reference = parseReference(generator);
  const name = formatReference(reference);
  const { digest, config } = await resolver.resolve(name, { platform: hostPlatform() });
  return { name: digest === undefined ? name : formatReference({ ...reference, digest }), config };
}

function commandOf({ name, config: { config = {} } }: Scanner): string[] {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (args.length > 0) return args;
  throw new TsbuildError("TSB_USAGE", `the scanner ${name} has no command`, {
    hint: "give an image that speaks BuildKit's protocol of scanners: --sbom=generator=IMAGE",
  });
}

function environment({ config }: Scanner, request: ScannerRequest, hasExtras: boolean): string[] {
  const options = Object.entries(request.options).map(([key, value]) => `BUILDKIT_SCAN_${key}=${value}`);
  return [
    ...(config.config?.Env ?? []),
    ...options,
    `BUILDKIT_SCAN_DESTINATION=${OUT}/`,
    `BUILDKIT_SCAN_SOURCE=${CORE}`,
    ...(hasExtras ? [`BUILDKIT_SCAN_SOURCE_EXTRAS=${EXTRAS}/`] : []),
  ];
}

function mountsOf({ graph, sbomExtras = [] }: CompiledPlatform): RunMount[] {
  return [
    { dest: "/tmp", type: "tmpfs" },
    { dest: CORE, type: "bind", from: stateOf(graph), readonly: true },
    ...sbomExtras.map(
      ({ name, graph: extra }): RunMount => ({
        dest: `${EXTRAS}/${scannedName(name)}`,
        type: "bind",
        from: stateOf(extra),
        readonly: true,
      }),
    ),
    { dest: OUT, type: "bind", from: scratch(), keep: true },
  ];
}

/**
 * Graphs whose results are what a scanner wrote about each platform's result (X033): a step like others, so that an unchanged image is
 * not scanned again. Throws what resolving an image throws.
 */
export async function scannerGraphs(
  platforms: readonly CompiledPlatform[],
  request: ScannerRequest,
): Promise<readonly Graph[]> {
  const scanner = await resolveScanner(request);
  const args = commandOf(scanner);
  const platform = hostPlatform();
  const base = image(scanner.name, { platform, annotations: { name: `[sbom] FROM ${scanner.name}` } });
  return platforms.map((scanned) => {
    const which = platforms.length > 1 ? ` ${formatPlatform(scanned.platform)}` : "";
    const scan = base.run({
      args,
      env: environment(scanner, request, (scanned.sbomExtras ?? []).length > 0),
      cwd: scanner.config.config?.WorkingDir || "/",
      mounts: mountsOf(scanned),
      network: request.network,
      platform,
      annotations: { name: `[sbom${which}] generating sbom using ${scanner.name}` },
    });
    return scan.mount(OUT).toGraph();
  });
}
