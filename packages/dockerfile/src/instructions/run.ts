import { suggestion } from "@tsbuild/base";
import { parseDevice } from "../device.ts";
import type { Device, RunInstruction } from "../instruction.ts";
import { checkMountText } from "../mount.ts";
import { expandsFrom } from "../pragma-comments.ts";
import { commandLine } from "./command-line.ts";
import { readFlags } from "./flags.ts";
import { at, base, fail, type Reading } from "./reading.ts";

const NETWORKS = ["default", "none", "host"] as const;
const SECURITIES = ["sandbox", "insecure"] as const;

export function readRun(reading: Reading): RunInstruction {
  const flags = readFlags(reading, { mount: "list", network: "text", security: "text", device: "list" });
  const mounts = flags.mount ?? [];
  const mayExpand = expandsFrom(reading.node.prevComment);
  for (const mount of mounts) at(reading, mount, () => checkMountText(mount.text, mayExpand));
  return {
    ...base(reading, "run"),
    command: commandLine(reading),
    mounts: mounts.map((mount) => mount.text),
    network: choice(reading, "network", flags.network, NETWORKS),
    security: choice(reading, "security", flags.security, SECURITIES),
    devices: (flags.device ?? []).map(
      (device): Device => at(reading, device, () => parseDevice(device.text)),
    ),
    flagsUsed: Object.keys(flags).sort(),
  };
}

/** One of the `allowed` values; the first when the flag is absent. */
function choice<const T extends string>(
  reading: Reading,
  name: string,
  value: string | undefined,
  allowed: readonly T[],
): T {
  if (value === undefined) return allowed[0]!;
  const found = allowed.find((item) => item === value);
  if (found !== undefined) return found;
  const flag = reading.node.flags.find((item) => item.text.startsWith(`--${name}=`));
  throw fail(reading, `--${name} cannot be ${JSON.stringify(value)}`, suggestion(value, allowed), flag);
}
