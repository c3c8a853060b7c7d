import type { ExportRequest } from "./types.ts";

/** `type=docker` without `dest`: into the docker or podman that runs here, as buildx has it. An entry of its own, as every build asks it. */
export function isLoad({ type, dest, attrs }: Pick<ExportRequest, "type" | "dest" | "attrs">): boolean {
  return type === "docker" && dest === undefined && attrs["tar"] === undefined;
}
