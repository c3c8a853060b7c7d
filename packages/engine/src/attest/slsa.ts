import type { Attestation } from "@tsbuild/export";
import { VERSION } from "../version.ts";
import type { BuildFacts } from "./build-facts.ts";

/** What the fields mean is BuildKit's to say, as definitions, names of arguments and metadata are those of BuildKit. */
const BUILD_TYPES = {
  v1: "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
  "v0.2": "https://mobyproject.org/buildkit@v1",
} as const;

function time(ms: number): string {
  return new Date(ms).toISOString();
}

/** slsa.dev/spec/v1.0/provenance, with BuildKit's extensions (X030). */
function v1(facts: BuildFacts): unknown {
  const { request, config, definition, metadata, options } = facts;
  const { complete, ...asked } = request;
  return {
    buildDefinition: {
      buildType: BUILD_TYPES.v1,
      externalParameters: { configSource: config, request: asked },
      internalParameters: {
        builderPlatform: facts.builderPlatform,
        ...(definition === undefined ? {} : { buildConfig: definition }),
      },
      resolvedDependencies: facts.materials,
    },
    runDetails: {
      builder: { id: options.builderId, version: { tsbuild: VERSION } },
      metadata: {
        invocationId: facts.invocationId,
        startedOn: time(facts.startedAt),
        finishedOn: time(facts.finishedAt),
        ...(metadata === undefined ? {} : { buildkit_metadata: metadata }),
        buildkit_hermetic: facts.hermetic,
        buildkit_completeness: { request: complete, resolvedDependencies: facts.materialsComplete },
        buildkit_reproducible: options.reproducible,
      },
    },
  };
}

/** slsa.dev/spec/v0.2/provenance (X031). */
function v02(facts: BuildFacts): unknown {
  const { request, config, definition, metadata, options } = facts;
  const { complete, ...parameters } = request;
  const { path, ...place } = config;
  return {
    builder: { id: options.builderId },
    buildType: BUILD_TYPES["v0.2"],
    materials: facts.materials,
    invocation: {
      configSource: { ...place, entryPoint: path },
      parameters,
      environment: { platform: facts.builderPlatform },
    },
    ...(definition === undefined ? {} : { buildConfig: definition }),
    metadata: {
      buildInvocationID: facts.invocationId,
      buildStartedOn: time(facts.startedAt),
      buildFinishedOn: time(facts.finishedAt),
      completeness: { parameters: complete, environment: true, materials: facts.materialsComplete },
      reproducible: options.reproducible,
      "https://mobyproject.org/buildkit@v1#hermetic": facts.hermetic,
      ...(metadata === undefined ? {} : { "https://mobyproject.org/buildkit@v1#metadata": metadata }),
    },
  };
}

/** The provenance of an image in the version that was asked for. */
export function provenance(facts: BuildFacts): Attestation {
  const { version, fileName, inlineOnly } = facts.options;
  return {
    predicateType: `https://slsa.dev/provenance/${version}`,
    predicate: version === "v1" ? v1(facts) : v02(facts),
    fileName,
    inlineOnly,
  };
}
