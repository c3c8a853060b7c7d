import { suggestion } from "@tsbuild/base";
import { textError } from "./error.ts";
import { splitCsv } from "./grammar/csv.ts";
import { parseBool, parseSize, parseUnsigned } from "./number.ts";

export type MountType = "bind" | "cache" | "tmpfs" | "secret" | "ssh";
export type CacheSharing = "shared" | "private" | "locked";

/** A `RUN --mount`, checked, defaults that need no context applied (FEATURES D076–D085). */
export interface Mount {
  readonly type: MountType;
  /** Stage, named context or image; `""` when not given. */
  readonly from: string;
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** tmpfs only; 0 when not given. */
  readonly sizeBytes: number;
  /** `id=`; `""` when not given. */
  readonly id: string;
  /** cache only. */
  readonly sharing?: CacheSharing;
  /** secret and ssh only. */
  readonly required: boolean;
  /** Variable of a secret; `""` stands for the default name. */
  readonly env?: string;
  /** Permission bits. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

type Draft = { -readonly [K in keyof Mount]?: Mount[K] };

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: readonly CacheSharing[] = ["shared", "private", "locked"];
const MAX_MODE = 2 ** 32 - 1;
/** The kernel takes one more for no id at all. */
const MAX_ID = 2 ** 32 - 2;
const ID_HINT = `a number up to ${MAX_ID}, not a name`;

/** A key: reads its value into the draft. `value` is undefined when the key stands alone. */
type KeyReader = (draft: Draft, value: string, key: string) => void;

const KEYS: Readonly<Record<string, KeyReader>> = {
  type: (draft, value) => {
    draft.type = oneOf(value.toLowerCase(), TYPES, "type");
  },
  from: (draft, value) => {
    draft.from = value;
  },
  source: setSource,
  src: setSource,
  target: setTarget,
  dst: setTarget,
  destination: setTarget,
  readonly: setReadonly,
  ro: setReadonly,
  readwrite: setReadwrite,
  rw: setReadwrite,
  id: (draft, value) => {
    draft.id = value;
  },
  sharing: (draft, value) => {
    draft.sharing = oneOf(value.toLowerCase(), SHARINGS, "sharing");
  },
  required: (draft, value, key) => {
    requireType(draft, key, ["secret", "ssh"]);
    draft.required = boolean(value, key);
  },
  size: (draft, value, key) => {
    requireType(draft, key, ["tmpfs"]);
    draft.sizeBytes = valid(parseSize(value), key, value, "for example: 64m");
  },
  mode: (draft, value, key) => {
    draft.mode = valid(parseUnsigned(value, 8, MAX_MODE), key, value, "octal, for example: 0400");
  },
  uid: (draft, value, key) => {
    draft.uid = valid(parseUnsigned(value, 10, MAX_ID), key, value, ID_HINT);
  },
  gid: (draft, value, key) => {
    draft.gid = valid(parseUnsigned(value, 10, MAX_ID), key, value, ID_HINT);
  },
  env: (draft, value) => {
    draft.env = value;
  },
};

/** Keys that may stand without `=true`. */
const ALONE: ReadonlySet<string> = new Set(["readonly", "ro", "readwrite", "rw", "required"]);

function setSource(draft: Draft, value: string): void {
  draft.source = value;
}

function setTarget(draft: Draft, value: string): void {
  draft.target = value;
}

function setReadonly(draft: Draft, value: string, key: string): void {
  draft.readonly = boolean(value, key);
}

function setReadwrite(draft: Draft, value: string, key: string): void {
  draft.readonly = !boolean(value, key);
}

/**
 * Reads the text of a `--mount`; each value goes through `expand`. Throws TSB_DOCKERFILE without a place: the
 * caller knows the instruction. Keys are checked in the order given, so `type` must come before keys that only
 * some types have.
 */
export function parseMount(text: string, expand: (word: string) => string): Mount {
  const draft: Draft = {};
  for (const field of splitCsv(text)) readField(draft, field, expand);
  const mount = withDefaults(draft);
  checkCombination(mount, draft);
  return mount;
}

/** What can be checked before variables are known: the list itself, and that `from` has no variable, unless it may. */
export function checkMountText(text: string, mayExpand: boolean): void {
  for (const field of splitCsv(text)) {
    const { key, value } = splitField(field);
    const dollar = value?.indexOf("$") ?? -1;
    if (mayExpand || key !== "from" || dollar === -1 || dollar === value!.length - 1) continue;
    throw textError(
      `from=${value} has a variable: it is not expanded there`,
      "define a stage for it (FROM … AS name) and write from=name; or, for tsbuild alone, the comment `# tsbuild: expand-from` above",
    );
  }
}

function splitField(field: string): { readonly key: string; readonly value: string | undefined } {
  const equals = field.indexOf("=");
  if (equals === -1) return { key: field.toLowerCase(), value: undefined };
  return { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}

function readField(draft: Draft, field: string, expand: (word: string) => string): void {
  const { key, value } = splitField(field);
  const read = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
  if (value === undefined && !ALONE.has(key)) {
    throw textError(
      `${JSON.stringify(field)} in a mount is no key=value`,
      suggestion(key, Object.keys(KEYS)),
    );
  }
  if (read === undefined) {
    throw textError(`a mount has no key ${JSON.stringify(key)}`, suggestion(key, Object.keys(KEYS)));
  }
  // Which stage a variable names is known before the stages are built; by the variables of one of them it would be nothing, which is the context.
  const asWritten = value === undefined || (key === "from" && value.includes("$"));
  read(draft, asWritten ? (value ?? "true") : expand(value), key);
}

function withDefaults(draft: Draft): Mount {
  const type = draft.type ?? "bind";
  return {
    from: "",
    source: "",
    target: "",
    id: "",
    sizeBytes: 0,
    required: false,
    // What a step should not change unless it says so.
    readonly: type !== "cache" && type !== "tmpfs",
    ...draft,
    type,
  };
}

function checkCombination(mount: Mount, draft: Draft): void {
  const { type } = mount;
  for (const key of ["mode", "uid", "gid"] as const) {
    if (draft[key] !== undefined) requireType(mount, key, ["secret", "ssh", "cache"]);
  }
  if (draft.sharing !== undefined) requireType(mount, "sharing", ["cache"]);
  if (type !== "secret") return;
  if (mount.from !== "") throw textError("a secret mount has no from");
  if (mount.source === "" && mount.target === "" && mount.id === "") {
    throw textError("a secret mount needs an id or a target", "for example: --mount=type=secret,id=token");
  }
  if (mount.source !== "" && mount.id !== "") throw textError("a secret mount has source or id, not both");
}

function requireType(draft: { readonly type?: MountType }, key: string, types: readonly MountType[]): void {
  const type = draft.type ?? "bind";
  if (types.includes(type)) return;
  throw textError(`a ${type} mount has no ${key}`, `only with type ${types.join(", ")}; write type=… first`);
}

function oneOf<const T extends string>(value: string, allowed: readonly T[], key: string): T {
  const found = allowed.find((item) => item === value);
  if (found !== undefined) return found;
  throw textError(`a mount cannot have ${key}=${value}`, suggestion(value, allowed));
}

function boolean(value: string, key: string): boolean {
  return valid(parseBool(value), key, value, "true or false");
}

function valid<T>(parsed: T | undefined, key: string, value: string, hint: string): T {
  if (parsed !== undefined) return parsed;
  throw textError(`a mount cannot have ${key}=${value}`, hint);
}
