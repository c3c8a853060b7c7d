import { suggestion, TsbuildError } from "@tsbuild/base";
import type { CompiledPlatform } from "@tsbuild/frontend";
import type { ContainerConfig, ImageConfig } from "@tsbuild/oci";
import type { ConfigRemoval } from "./api.ts";

type NamedField = Extract<ConfigRemoval, { readonly name: string }>["field"];

/** Fields that hold one thing. */
const WHOLE: Readonly<Record<Exclude<ConfigRemoval["field"], NamedField>, keyof ContainerConfig & string>> = {
  entrypoint: "Entrypoint",
  cmd: "Cmd",
  user: "User",
  workdir: "WorkingDir",
  healthcheck: "Healthcheck",
  stopsignal: "StopSignal",
  shell: "Shell",
  onbuild: "OnBuild",
};

const WORDS: Readonly<Record<NamedField, string>> = {
  env: "environment variable",
  volume: "volume",
  expose: "exposed port",
  label: "label",
};

/** `env:PATH`, `cmd`: as the flag has it. */
export function removalText(removal: ConfigRemoval): string {
  return "name" in removal ? `${removal.field}:${removal.name}` : removal.field;
}

function isNamed(removal: ConfigRemoval): removal is Extract<ConfigRemoval, { readonly name: string }> {
  return "name" in removal;
}

/** Names in a field, as the config has them. */
function namesIn(config: ContainerConfig, field: NamedField): string[] {
  switch (field) {
    case "env":
      return (config.Env ?? []).map((entry) => entry.split("=", 1)[0] ?? "");
    case "volume":
      return Object.keys(config.Volumes ?? {});
    case "expose":
      return Object.keys(config.ExposedPorts ?? {});
    case "label":
      return Object.keys(config.Labels ?? {});
  }
}

/** A port without a protocol is one of TCP, as EXPOSE has it. */
function wantedName({ field, name }: { readonly field: NamedField; readonly name: string }): string {
  return field === "expose" && !name.includes("/") ? `${name}/tcp` : name;
}

function without<T>(table: Readonly<Record<string, T>> | undefined, name: string): Record<string, T> {
  return Object.fromEntries(Object.entries(table ?? {}).filter(([key]) => key !== name));
}

function withoutName(config: ContainerConfig, field: NamedField, name: string): ContainerConfig {
  switch (field) {
    case "env":
      return { ...config, Env: (config.Env ?? []).filter((entry) => entry.split("=", 1)[0] !== name) };
    case "volume":
      return { ...config, Volumes: without(config.Volumes, name) };
    case "expose":
      return { ...config, ExposedPorts: without(config.ExposedPorts, name) };
    case "label":
      return { ...config, Labels: without(config.Labels, name) };
  }
}

function removed(config: ContainerConfig, removal: ConfigRemoval): ContainerConfig {
  if (!isNamed(removal)) {
    const { [WHOLE[removal.field]]: _, ...rest } = config;
    return rest;
  }
  const { field } = removal;
  const name = wantedName(removal);
  const names = namesIn(config, field);
  if (names.includes(name)) return withoutName(config, field, name);
  throw new TsbuildError(
    "TSB_USAGE",
    `--unset ${removalText(removal)}: the image has no such ${WORDS[field]}`,
    {
      hint: names.length === 0 ? `it has none at all` : suggestion(name, names),
    },
  );
}

/** Empty tables are left out, as everywhere in a config. */
function compact(config: ContainerConfig): ContainerConfig {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => {
      if (Array.isArray(value)) return value.length > 0;
      return typeof value !== "object" || value === null || Object.keys(value).length > 0;
    }),
  );
}

/**
 * The config without what is to be taken out of it (W033), and with a line in its history that says so. Throws TSB_USAGE for a name
 * that is not in it.
 */
export function unsetConfig(image: ImageConfig, removals: readonly ConfigRemoval[]): ImageConfig {
  const config = removals.reduce(removed, image.config ?? {});
  const entry = {
    created_by: `tsbuild build --unset ${removals.map(removalText).join(",")}`,
    empty_layer: true,
  };
  return { ...image, config: compact(config), history: [...(image.history ?? []), entry] };
}

export function unsetAll(
  platforms: readonly CompiledPlatform[],
  removals: readonly ConfigRemoval[],
): readonly CompiledPlatform[] {
  return platforms.map((platform) => ({ ...platform, image: unsetConfig(platform.image, removals) }));
}
