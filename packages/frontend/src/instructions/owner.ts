import type { OwnerSpec } from "@tsbuild/llb";

/** Numbers are ids, `root` is 0, anything else is a name of the destination's passwd or group file (D100). */
function idOrName(text: string): number | string {
  if (text === "" || text === "root") return 0;
  if (!/^[+-]?\d+$/.test(text)) return text;
  const id = Number(text);
  const fits = id >= -(2 ** 31) && id < 2 ** 31;
  return fits ? id >>> 0 : text;
}

/** `user[:group]` of `--chown` and USER. */
export function ownerOf(text: string): OwnerSpec {
  const colon = text.indexOf(":");
  if (colon < 0) return { user: idOrName(text) };
  return { user: idOrName(text.slice(0, colon)), group: idOrName(text.slice(colon + 1)) };
}
