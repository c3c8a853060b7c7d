import type { VolumeInstruction } from "@tsbuild/dockerfile";
import { mistake } from "../failure.ts";
import { plainList } from "../go-format.ts";
import { setKeys } from "./config-table.ts";
import type { Step } from "./step.ts";

/** VOLUME changes the config only (D121). */
export function volume({ command, build, expand }: Step<VolumeInstruction>): void {
  const volumes = command.volumes.map((volume) => expand(volume));
  if (volumes.includes(""))
    throw mistake("VOLUME has an empty path", "name the folder, or remove the instruction");
  const { config } = build.image;
  config.Volumes = setKeys(
    config.Volumes,
    volumes.map((path) => [path, {}] as const),
  );
  build.addHistory(`VOLUME ${plainList(volumes)}`);
}
