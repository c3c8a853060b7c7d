import type { ImageConfig } from "@tsbuild/oci";

export interface ConfigChange {
  /** `Env.PATH`, `Labels.version`, `Cmd` … */
  readonly field: string;
  /** Absent: the other image has no such thing. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** A config's fields one by one, as text; what is a list of names or of NAME=VALUE has one for each. */
function fieldsOf(image: ImageConfig): Map<string, string> {
  const fields = new Map<string, string>();
  const put = (name: string, value: unknown): void => {
    if (value === undefined || value === null || value === "") return;
    fields.set(name, typeof value === "string" ? value : JSON.stringify(value));
  };
  for (const name of ["os", "architecture", "variant", "author"] as const) put(name, image[name]);
  const { Env, Labels, ExposedPorts, Volumes, ...others } = image.config ?? {};
  for (const entry of Env ?? []) {
    const equals = entry.indexOf("=");
    put(`Env.${equals < 0 ? entry : entry.slice(0, equals)}`, equals < 0 ? '""' : entry.slice(equals + 1));
  }
  for (const [key, value] of Object.entries(Labels ?? {})) put(`Labels.${key}`, value);
  for (const key of Object.keys(ExposedPorts ?? {})) put(`ExposedPorts.${key}`, "exposed");
  for (const key of Object.keys(Volumes ?? {})) put(`Volumes.${key}`, "volume");
  for (const [key, value] of Object.entries(others)) put(key, value);
  return fields;
}

/** What the config of `to` says otherwise than that of `from`, in order of the fields' names. */
export function configDifference(from: ImageConfig, to: ImageConfig): ConfigChange[] {
  const [before, after] = [fieldsOf(from), fieldsOf(to)];
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names
    .filter((name) => before.get(name) !== after.get(name))
    .map((field) => ({ field, from: before.get(field), to: after.get(field) }));
}
