import { type DiffId, isDigest, limits } from "@tsbuild/base";
import type { ContainerConfig, Healthcheck, HistoryEntry, ImageConfig } from "../types.ts";
import { Fields, type JsonObject, parseObject, present } from "./json.ts";

/** Base images with long chains have hundreds of entries; nothing real has this many. */
const MAX_HISTORY = 20_000;

function parseHealthcheck(fields: Fields): Healthcheck {
  return present<Healthcheck>({
    Test: fields.strings("Test"),
    Interval: fields.integer("Interval"),
    Timeout: fields.integer("Timeout"),
    StartPeriod: fields.integer("StartPeriod"),
    StartInterval: fields.integer("StartInterval"),
    Retries: fields.integer("Retries"),
  });
}

function withoutNull(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));
}

/** Known fields are checked; unknown ones survive as they are (X021). */
function parseContainerConfig(fields: Fields, object: JsonObject): ContainerConfig {
  const healthcheck = fields.object("Healthcheck");
  const known = present<ContainerConfig>({
    User: fields.string("User"),
    ExposedPorts: fields.set("ExposedPorts"),
    Env: fields.strings("Env"),
    Entrypoint: fields.strings("Entrypoint"),
    Cmd: fields.strings("Cmd"),
    Volumes: fields.set("Volumes"),
    WorkingDir: fields.string("WorkingDir"),
    Labels: fields.stringMap("Labels"),
    StopSignal: fields.string("StopSignal"),
    Healthcheck: healthcheck === undefined ? undefined : parseHealthcheck(healthcheck.fields),
    ArgsEscaped: fields.boolean("ArgsEscaped"),
    OnBuild: fields.strings("OnBuild"),
    Shell: fields.strings("Shell"),
  });
  return { ...withoutNull(object), ...known };
}

function parseDiffIds(fields: Fields): DiffId[] {
  const ids = fields.strings("diff_ids") ?? [];
  if (ids.length > limits.layers) throw fields.fail("diff_ids", `more than ${limits.layers} layers`);
  for (const id of ids) {
    if (!isDigest(id)) throw fields.fail("diff_ids", `${JSON.stringify(id)} is not sha256:<64 hex digits>`);
  }
  return ids as readonly string[] as DiffId[];
}

function parseHistory(fields: Fields): HistoryEntry[] | undefined {
  return fields.objects("history", MAX_HISTORY)?.map(({ fields: entry }) =>
    present<HistoryEntry>({
      created: entry.string("created"),
      created_by: entry.string("created_by"),
      author: entry.string("author"),
      comment: entry.string("comment"),
      empty_layer: entry.boolean("empty_layer"),
    }),
  );
}

/** An image config (image-spec config.md) from untrusted bytes. Throws TSB_INTEGRITY. */
export function parseImageConfig(bytes: Uint8Array, what = "image config"): ImageConfig {
  const object = parseObject(bytes, what);
  const fields = new Fields(object, what);
  const rootfs = fields.object("rootfs");
  const type = rootfs?.fields.string("type") ?? "layers";
  if (type !== "layers") throw fields.fail("rootfs.type", `${JSON.stringify(type)} is not "layers"`);
  const config = fields.object("config");
  const known = present<ImageConfig>({
    created: fields.string("created"),
    author: fields.string("author"),
    architecture: fields.requiredString("architecture"),
    variant: fields.string("variant"),
    os: fields.requiredString("os"),
    "os.version": fields.string("os.version"),
    "os.features": fields.strings("os.features"),
    config: config === undefined ? undefined : parseContainerConfig(config.fields, config.value),
    rootfs: { type: "layers", diff_ids: rootfs === undefined ? [] : parseDiffIds(rootfs.fields) },
    history: parseHistory(fields),
  });
  return { ...withoutNull(object), ...known };
}
