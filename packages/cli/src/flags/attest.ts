import { TsbuildError } from "@tsbuild/base";
import type { AttestationRequest } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";
import { keyAndValue } from "./values.ts";

const TYPES: readonly AttestationRequest["type"][] = ["provenance", "sbom"];
const EXAMPLE = "for example --attest type=provenance,mode=max";

function fieldsOf(flag: string, text: string): Record<string, string> {
  const fields = csvFields(text).map((field): [string, string] => {
    const equals = field.indexOf("=");
    if (equals > 0) return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
    throw new TsbuildError("TSB_USAGE", `${flag} ${text}: ${JSON.stringify(field)} is not KEY=VALUE`, {
      hint: EXAMPLE,
    });
  });
  return Object.fromEntries(fields);
}

/** `type=…,k=v`, with `disabled=true` for none; undefined for none. */
function parseAttest(flag: string, text: string): AttestationRequest & { readonly disabled: boolean } {
  const { type: name, disabled, ...attrs } = fieldsOf(flag, text);
  const type = TYPES.find((one) => one === name);
  if (type !== undefined) return { type, attrs, disabled: disabled === "true" || disabled === "1" };
  throw new TsbuildError("TSB_USAGE", `${flag} ${text}: type is to be ${TYPES.join(" or ")}`, {
    hint: EXAMPLE,
  });
}

/** `--provenance[=true|false|k=v,…]`, and the same for `--sbom`, as `--attest` has it. */
function shorthand(type: AttestationRequest["type"], text: string): string {
  if (text === "true" || text === "1" || text === "") return `type=${type}`;
  if (text === "false" || text === "0") return `type=${type},disabled=true`;
  return `type=${type},${text}`;
}

export interface AttestFlags {
  readonly attest: readonly string[];
  readonly provenance: string | undefined;
  readonly sbom: string | undefined;
}

/** What is to be attested (C024): of each type the last flag counts, the short ones before `--attest`. Throws TSB_USAGE. */
export function parseAttestations({ attest, provenance, sbom }: AttestFlags): readonly AttestationRequest[] {
  const given = [
    ...attest.map((text) => parseAttest("--attest", text)),
    ...(provenance === undefined ? [] : [parseAttest("--provenance", shorthand("provenance", provenance))]),
    ...(sbom === undefined ? [] : [parseAttest("--sbom", shorthand("sbom", sbom))]),
  ];
  const byType = new Map(given.map((one) => [one.type, one]));
  return [...byType.values()].filter(({ disabled }) => !disabled).map(({ type, attrs }) => ({ type, attrs }));
}

const SCOPES = ["manifest", "index", "manifest-descriptor", "index-descriptor"];

/** `[SCOPE[PLATFORM],…:]KEY=VALUE` (C018) as the options of an output that say the same. Throws TSB_USAGE. */
export function parseAnnotation(text: string): readonly [string, string][] {
  const equals = text.indexOf("=");
  const colon = text.lastIndexOf(":", equals < 0 ? text.length : equals);
  const scoped = colon < 0 ? undefined : scopesOf(text.slice(0, colon));
  const [key, value] = keyAndValue("--annotation", scoped === undefined ? text : text.slice(colon + 1));
  if (value === undefined) {
    throw new TsbuildError("TSB_USAGE", `--annotation ${JSON.stringify(text)} is not KEY=VALUE`, {
      hint: "for example --annotation org.opencontainers.image.title=app, or index:KEY=VALUE",
    });
  }
  return (scoped ?? [""]).map((scope) => [`annotation${scope}.${key}`, value]);
}

/** `-index`, `-manifest[linux/arm64]`; undefined when the text names no scopes and so is a part of the key. */
function scopesOf(text: string): string[] | undefined {
  const scopes = text.split(",").map((one) => /^([a-z-]+)(\[[^\]]+\])?$/.exec(one.trim()));
  if (!scopes.every((found) => found !== null && SCOPES.includes(found[1] ?? ""))) return undefined;
  return scopes.map((found) => `-${found?.[1]}${found?.[2] ?? ""}`);
}
