import { stringMap } from "./decode-op.ts";
import type { OpMetadata } from "./op.ts";
import { bool, bytes, mapEntry, readMessage, text } from "./wire-reader.ts";
import { writeMessage } from "./wire-writer.ts";

/** Key of the progress text in `pb.OpMetadata.description`. */
const CUSTOM_NAME = "llb.customname";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function descriptionOf(metadata: OpMetadata): Record<string, string> {
  const name = metadata.name === undefined ? {} : { [CUSTOM_NAME]: metadata.name };
  return { ...metadata.description, ...name };
}

/** `pb.OpMetadata`. */
export function encodeMetadata(metadata: OpMetadata): Uint8Array {
  const { exportCache, progressGroup } = metadata;
  return writeMessage((w) => {
    w.bool(1, metadata.ignoreCache ?? false);
    w.stringMap(2, descriptionOf(metadata));
    if (exportCache !== undefined) w.message(4, (m) => m.bool(1, exportCache));
    w.boolMap(5, metadata.caps ?? []);
    if (progressGroup !== undefined)
      w.message(6, (m) => {
        m.string(1, progressGroup.id);
        m.string(2, progressGroup.name);
        m.bool(3, progressGroup.weak ?? false);
      });
  });
}

function decodeExportCache(data: Uint8Array): boolean {
  let value = false;
  readMessage(
    data,
    "ExportCache",
    {
      1: bool((v) => {
        value = v;
      }),
    },
    "skip",
  );
  return value;
}

function decodeGroup(data: Uint8Array): NonNullable<OpMetadata["progressGroup"]> {
  const group: { id: string; name: string; weak?: boolean } = { id: "", name: "" };
  const fields = {
    1: text((v) => {
      group.id = v;
    }),
    2: text((v) => {
      group.name = v;
    }),
    3: bool((v) => {
      group.weak = v;
    }),
  };
  readMessage(data, "ProgressGroup", fields, "skip");
  return group;
}

/** Reads `pb.OpMetadata`. It changes no result, so fields that are not known here are passed over. */
export function decodeMetadata(data: Uint8Array): OpMetadata {
  const description = stringMap();
  const caps: string[] = [];
  const metadata: Mutable<OpMetadata> = {};
  const fields = {
    1: bool((v) => {
      metadata.ignoreCache = v;
    }),
    2: description.field,
    4: bytes((v) => {
      metadata.exportCache = decodeExportCache(v);
    }),
    5: mapEntry(false, bool, (cap, wanted) => wanted && caps.push(cap)),
    6: bytes((v) => {
      metadata.progressGroup = decodeGroup(v);
    }),
  };
  readMessage(data, "OpMetadata", fields, "skip");
  const { [CUSTOM_NAME]: name, ...rest } = description.record();
  if (name !== undefined) metadata.name = name;
  if (Object.keys(rest).length > 0) metadata.description = rest;
  if (caps.length > 0) metadata.caps = caps;
  return metadata;
}
