import type { ConfigChange, ImageAnatomy, ImageDifference, LayerAnatomy, PathChange } from "@tsbuild/engine";
import { formatBytes, plural } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";
import { columns } from "../upkeep/table.ts";

/** Characters of an instruction in a table, as image history cuts them. */
const CREATED_BY = 60;
/** Paths of a difference, and places of a duplicate, that are shown; JSON has more. */
const SHOWN_PATHS = 50;
const SHOWN_PLACES = 3;

/** What `tsbuild inspect --layers` prints. */
export function anatomyText(anatomy: ImageAnatomy, { whole }: { readonly whole: boolean }): string {
  const { name, layers, sizeBytes, wastedBytes, duplicateBytes } = anatomy;
  const waste = [
    ...(wastedBytes > 0 ? [`${formatBytes(wastedBytes)} of it deleted or replaced later`] : []),
    ...(duplicateBytes > 0 ? [`${formatBytes(duplicateBytes)} in duplicates`] : []),
  ];
  return [
    `${safeName(name)}: ${[`${formatBytes(sizeBytes)} in ${plural(layers.length, "layer")}`, ...waste].join(", ")}\n`,
    layerTable(layers, whole),
    section("Largest files", largestTable(anatomy)),
    section("In a layer, and deleted or replaced by a later one", wastedTable(anatomy)),
    section("Duplicates", duplicateTable(anatomy)),
  ].join("");
}

function section(title: string, table: string): string {
  return table === "" ? "" : `\n${title}\n${table}`;
}

function layerTable(layers: readonly LayerAnatomy[], whole: boolean): string {
  const rows = layers.map(({ layer, sizeBytes, files, wastedBytes, createdBy }) => {
    const step = safeName(createdBy);
    return [
      String(layer),
      formatBytes(sizeBytes),
      String(files),
      wastedBytes === 0 ? "-" : formatBytes(wastedBytes),
      step.length > CREATED_BY && !whole ? `${step.slice(0, CREATED_BY - 1)}…` : step,
    ];
  });
  return columns([["LAYER", "SIZE", "FILES", "WASTED", "CREATED BY"], ...rows], [0, 1, 2, 3]);
}

function largestTable({ largest }: ImageAnatomy): string {
  if (largest.length === 0) return "";
  const rows = largest.map((file) => [formatBytes(file.sizeBytes), String(file.layer), safeName(file.path)]);
  return columns([["SIZE", "LAYER", "PATH"], ...rows], [0, 1]);
}

function wastedTable({ wasted }: ImageAnatomy): string {
  if (wasted.length === 0) return "";
  const rows = wasted.map(({ sizeBytes, files, layers, how, by, path }) => [
    formatBytes(sizeBytes),
    String(files),
    layers.join(","),
    `${how} by ${by}`,
    safeName(path),
  ]);
  return columns([["SIZE", "FILES", "LAYER", "HOW", "PATH"], ...rows], [0, 1, 2]);
}

function duplicateTable({ duplicates }: ImageAnatomy): string {
  if (duplicates.length === 0) return "";
  const rows = duplicates.map(({ wastedBytes, places }) => {
    const shown = places.slice(0, SHOWN_PLACES).map(({ path, layer }) => `${safeName(path)} (${layer})`);
    const more = places.length - shown.length;
    return [
      formatBytes(wastedBytes),
      String(places.length),
      shown.join("  ") + (more > 0 ? `  and ${more} more` : ""),
    ];
  });
  return columns([["WASTED", "COPIES", "PATH (LAYER)"], ...rows], [0, 1]);
}

/** What `tsbuild inspect --diff` prints. */
export function differenceText(difference: ImageDifference): string {
  const { from, to, added, removed, changed, paths, config } = difference;
  const title = `${safeName(to)} against ${safeName(from)}`;
  if (added + removed + changed + config.length === 0) return `${title}: no difference\n`;
  const shown = paths.slice(0, SHOWN_PATHS);
  const more = added + removed + changed - shown.length;
  return [
    `${title}: ${added} added, ${removed} removed, ${changed} changed\n`,
    shown.length === 0 ? "" : columns(shown.map(pathRow), [1]),
    more > 0 ? `… and ${more} more (--format json)\n` : "",
    section("Config", config.map(configLine).join("")),
  ].join("");
}

const SIGNS = { added: "+", removed: "-", changed: "~" } as const;

function pathRow({ type, path, fromBytes, toBytes, files, what = [] }: PathChange): string[] {
  const growth = toBytes - fromBytes;
  const size = growth === 0 ? "" : `${growth > 0 ? "+" : "-"}${formatBytes(Math.abs(growth))}`;
  const about = files === undefined ? what.join(", ") : plural(files, "file");
  return [SIGNS[type], size, safeName(path), about];
}

function configLine({ field, from, to }: ConfigChange): string {
  const name = safeName(field);
  if (from === undefined) return `+ ${name}: ${safeName(to ?? "")}\n`;
  if (to === undefined) return `- ${name}: ${safeName(from)}\n`;
  return `~ ${name}: ${safeName(from)} → ${safeName(to)}\n`;
}
