import type { Warning } from "../api.ts";

/** All rules (D138–D159). Those that are experimental report only when they are asked for. */
export type RuleName =
  | "StageNameCasing"
  | "FromAsCasing"
  | "NoEmptyContinuation"
  | "ConsistentInstructionCasing"
  | "DuplicateStageName"
  | "ReservedStageName"
  | "JSONArgsRecommended"
  | "MaintainerDeprecated"
  | "UndefinedArgInFrom"
  | "UndefinedVar"
  | "WorkdirRelativePath"
  | "MultipleInstructionsDisallowed"
  | "LegacyKeyValueFormat"
  | "InvalidBaseImagePlatform"
  | "RedundantTargetPlatform"
  | "SecretsUsedInArgOrEnv"
  | "InvalidDefaultArgInFrom"
  | "FromPlatformFlagConstDisallowed"
  | "CopyIgnoredFile"
  | "InvalidDefinitionDescription"
  | "ExposeProtoCasing"
  | "ExposeInvalidFormat";

export const EXPERIMENTAL_RULES: ReadonlySet<string> = new Set(["InvalidDefinitionDescription"]);

/** Names of the pages differ from the rules only in their spelling. */
export function rulePage(rule: RuleName): Warning["url"] {
  const slug = rule
    .replace(/^JSON/, "Json")
    .replaceAll(/(?!^)[A-Z]/g, "-$&")
    .toLowerCase();
  return `https://docs.docker.com/go/dockerfile/rule/${slug}/`;
}
