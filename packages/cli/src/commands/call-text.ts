import type { Outline, Target } from "@tsbuild/engine";
import { safeName } from "../sanitize.ts";

/** Columns three blanks apart. */
function table(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(safeName));
  const widths = shown[0]!.map((_, column) => Math.max(...shown.map((row) => (row[column] ?? "").length)));
  return shown.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("   ")
      .trimEnd(),
  );
}

/** A table under its titles; nothing when it has no rows. */
function section(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [...table([titles, ...rows]), ""];
}

/** `--call=outline` for people (D162). */
export function outlineText({ name, description, args, secrets, ssh, cache }: Outline): string {
  const isNamed = name !== undefined || description !== undefined;
  const required = (yes: boolean) => (yes ? "true" : "");
  return [
    ...(isNamed ? [`TARGET: ${safeName(name ?? "(default)")}`] : []),
    ...(description === undefined ? [] : [`DESCRIPTION: ${safeName(description)}`]),
    ...(isNamed ? [""] : []),
    ...section(
      ["BUILD ARG", "VALUE", "DESCRIPTION"],
      args.map((arg) => [arg.name, arg.value ?? "", arg.description ?? ""]),
    ),
    ...section(
      ["SECRET", "REQUIRED"],
      secrets.map((one) => [one.name, required(one.required)]),
    ),
    ...section(
      ["SSH", "REQUIRED"],
      ssh.map((one) => [one.name, required(one.required)]),
    ),
    ...section(
      ["CACHE MOUNT", "LINE"],
      cache.map(({ id, range }) => [id, String(range.start)]),
    ),
  ]
    .map((line) => `${line}\n`)
    .join("");
}

function targetName({ name, isDefault }: Target, index: number): string {
  const shown = name ?? String(index);
  if (!isDefault) return shown;
  return name === undefined ? "(default)" : `${shown} (default)`;
}

/** `--call=targets` for people (D163); a stage without a name goes by its number. */
export function targetsText(targets: readonly Target[]): string {
  const rows = targets.map((target, index) => [
    targetName(target, index),
    target.base,
    target.platform ?? "",
    target.description ?? "",
  ]);
  return table([["TARGET", "BASE", "PLATFORM", "DESCRIPTION"], ...rows])
    .map((line) => `${line}\n`)
    .join("");
}
