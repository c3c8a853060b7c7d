import type { ImageDetails } from "@tsbuild/engine";

/** What Go prints of a list or a map that nobody has set; as JSON it is null. */
function unset<T extends object>(value: T): T {
  return Object.defineProperty(value, "toJSON", { value: () => null });
}

/** Adds fields that templates find and JSON does not show; those that are there already stay. */
export function withHidden(value: object, fields: Readonly<Record<string, unknown>>): object {
  const view = { ...value };
  for (const [name, field] of Object.entries(fields))
    if (!Object.hasOwn(view, name)) Object.defineProperty(view, name, { value: field });
  return view;
}

/** The fields of docker's `Config`, which its templates know whether an image sets them or not. */
function configFields(): Readonly<Record<string, unknown>> {
  const texts = ["User", "WorkingDir", "StopSignal", "Hostname", "Domainname", "Image", "MacAddress"];
  const lists = ["Env", "Entrypoint", "Cmd", "OnBuild", "Shell"];
  const maps = ["ExposedPorts", "Volumes", "Labels"];
  return Object.fromEntries([
    ...texts.map((name) => [name, ""]),
    ...lists.map((name) => [name, unset([])]),
    ...maps.map((name) => [name, unset({})]),
    ["Healthcheck", undefined],
    ["ArgsEscaped", false],
  ]);
}

/**
 * An image as templates of `docker inspect` see it: docker's fill them in from a typed value, in which everything that an image might
 * have is there, and fields have Go's names as well (`.ID`).
 */
export function dockerView(details: ImageDetails): object {
  const { Id, Size, Config } = details;
  const fields = { ID: Id, Variant: "", Parent: "", DockerVersion: "", OsVersion: "", VirtualSize: Size };
  return withHidden({ ...details, Config: withHidden(Config, configFields()) }, fields);
}
