import { plainText } from "../text.ts";
import type { Distribution } from "../types.ts";

/** `KEY=value` lines, quoted as a shell would have it (os-release(5)). */
export function parseOsRelease(text: string): Distribution | undefined {
  const fields = new Map<string, string>();
  for (const line of text.split("\n", 1000)) {
    const match = /^([A-Z_]+)=(["']?)(.*)\2\s*$/.exec(line);
    if (match !== null) fields.set(match[1] ?? "", (match[3] ?? "").replace(/\\(["'$`\\])/g, "$1"));
  }
  const id = plainText(fields.get("ID"))?.toLowerCase();
  if (id === undefined || !/^[a-z0-9._-]{1,64}$/.test(id)) return undefined;
  return {
    id,
    versionId: plainText(fields.get("VERSION_ID")) ?? "",
    name: plainText(fields.get("PRETTY_NAME") ?? fields.get("NAME")) ?? id,
  };
}
