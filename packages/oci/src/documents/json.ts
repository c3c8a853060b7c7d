import { limits, TsbuildError } from "@tsbuild/base";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** A document from a registry or an archive that is not what it should be. `what` names it, `place` the field. */
export function malformed(what: string, place: string, why: string): TsbuildError {
  const field = place === "" ? "" : `${place}: `;
  return new TsbuildError("TSB_INTEGRITY", `malformed ${what}: ${field}${why}`);
}

/** Parses bytes of at most `limits.manifestBytes`. */
export function parseJson(bytes: Uint8Array, what: string): Json {
  if (bytes.length > limits.manifestBytes) {
    throw malformed(what, "", `it is longer than ${limits.manifestBytes} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as Json;
  } catch (error) {
    throw new TsbuildError("TSB_INTEGRITY", `malformed ${what}: it is not JSON`, { cause: error });
  }
}

/** Parses bytes of at most `limits.manifestBytes` that must hold a JSON object. */
export function parseObject(bytes: Uint8Array, what: string): JsonObject {
  const value = parseJson(bytes, what);
  if (!isObject(value)) throw malformed(what, "", "it is not a JSON object");
  return value;
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads typed fields of one object, and says where a field is wrong. Go writes `null` for what is empty, so `null` counts as absent
 * everywhere.
 */
export class Fields {
  readonly #object: JsonObject;
  readonly #what: string;
  readonly #place: string;

  constructor(object: JsonObject, what: string, place = "") {
    this.#object = object;
    this.#what = what;
    this.#place = place;
  }

  fail(key: string, why: string): TsbuildError {
    return malformed(this.#what, this.#place === "" ? key : `${this.#place}.${key}`, why);
  }

  #get(key: string): Json | undefined {
    return Object.hasOwn(this.#object, key) ? (this.#object[key] ?? undefined) : undefined;
  }

  string(key: string): string | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== "string") throw this.fail(key, "not a string");
    return value;
  }

  requiredString(key: string): string {
    const value = this.string(key);
    if (value === undefined) throw this.fail(key, "missing");
    return value;
  }

  boolean(key: string): boolean | undefined {
    const value = this.#get(key);
    if (value !== undefined && typeof value !== "boolean") throw this.fail(key, "not a boolean");
    return value;
  }

  /** A whole number, not negative unless allowed. */
  integer(key: string, options: { readonly negative?: boolean } = {}): number | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    const valid =
      typeof value === "number" && Number.isSafeInteger(value) && (value >= 0 || options.negative === true);
    if (!valid) throw this.fail(key, "not a whole number");
    return value;
  }

  strings(key: string): string[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) {
      throw this.fail(key, "not a list of strings");
    }
    return value as string[];
  }

  /** `{ "key": "text" }` */
  stringMap(key: string): Record<string, string> | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!isObject(value) || Object.values(value).some((item) => typeof item !== "string")) {
      throw this.fail(key, "not a map of strings");
    }
    return { ...value } as Record<string, string>;
  }

  /** `{ "key": {} }`: how Go writes a set. */
  set(key: string): Record<string, Record<string, never>> | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.fail(key, "not an object");
    return Object.fromEntries(Object.keys(value).map((name) => [name, {}]));
  }

  object(key: string): { readonly fields: Fields; readonly value: JsonObject } | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!isObject(value)) throw this.fail(key, "not an object");
    return { fields: this.#inner(key, value), value };
  }

  objects(key: string, max: number): { readonly fields: Fields; readonly value: JsonObject }[] | undefined {
    const value = this.#get(key);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) throw this.fail(key, "not a list");
    if (value.length > max) throw this.fail(key, `more than ${max} entries`);
    return value.map((item: Json, index) => {
      if (!isObject(item)) throw this.fail(`${key}[${index}]`, "not an object");
      return { fields: this.#inner(`${key}[${index}]`, item), value: item };
    });
  }

  #inner(key: string, value: JsonObject): Fields {
    return new Fields(value, this.#what, this.#place === "" ? key : `${this.#place}.${key}`);
  }
}

/** Drops absent fields, so that parsed documents have only what was there. */
export function present<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}
