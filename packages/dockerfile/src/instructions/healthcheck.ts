import { suggestion } from "@tsbuild/base";
import { parseDuration } from "../duration.ts";
import type { Healthcheck, HealthcheckInstruction } from "../instruction.ts";
import { type FlagValues, readFlags } from "./flags.ts";
import { base, fail, type Reading, someArgs } from "./reading.ts";

const FLAGS = {
  interval: "text",
  timeout: "text",
  "start-period": "text",
  "start-interval": "text",
  retries: "text",
} as const;
const MIN_DURATION_NS = 1_000_000;
const NO_TIMES = { intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 };

/** `NONE`, or `[flags] CMD …` (FEATURES D124). */
export function readHealthcheck(reading: Reading): HealthcheckInstruction {
  const [type, ...args] = someArgs(reading, "HEALTHCHECK CMD curl -f http://localhost/");
  if (type!.text.toUpperCase() !== "NONE") return { ...base(reading, "healthcheck"), health: check(reading) };
  if (args.length > 0) throw fail(reading, "HEALTHCHECK NONE takes no arguments", undefined, args[0]);
  return { ...base(reading, "healthcheck"), health: { test: ["NONE"], ...NO_TIMES } };
}

function check(reading: Reading): Healthcheck {
  const flags = readFlags(reading, FLAGS);
  return {
    test: test(reading),
    intervalNs: duration(reading, flags, "interval"),
    timeoutNs: duration(reading, flags, "timeout"),
    startPeriodNs: duration(reading, flags, "start-period"),
    startIntervalNs: duration(reading, flags, "start-interval"),
    retries: retries(reading, flags.retries),
  };
}

function test(reading: Reading): string[] {
  const [type, ...args] = reading.node.args;
  if (type!.text.toUpperCase() !== "CMD") {
    const hint = suggestion(type!.text, ["CMD", "NONE"]);
    throw fail(reading, `HEALTHCHECK has no type ${JSON.stringify(type!.text)}`, hint, type);
  }
  if (args.length === 0) throw fail(reading, "HEALTHCHECK CMD needs a command", undefined, type);
  return [reading.node.form === "json" ? "CMD" : "CMD-SHELL", ...args.map((arg) => arg.text)];
}

function duration(
  reading: Reading,
  flags: FlagValues<typeof FLAGS>,
  name: Exclude<keyof typeof FLAGS, "retries">,
): number {
  const text = flags[name];
  if (text === undefined || text === "") return 0;
  const nanoseconds = parseDuration(text);
  const flag = reading.node.flags.find((item) => item.text.startsWith(`--${name}=`));
  if (nanoseconds === undefined) {
    throw fail(
      reading,
      `--${name} is no duration: ${JSON.stringify(text)}`,
      "for example: 30s, 1m30s, 500ms",
      flag,
    );
  }
  if (nanoseconds !== 0 && nanoseconds < MIN_DURATION_NS) {
    throw fail(reading, `--${name} is less than a millisecond: ${text}`, "for example: 30s", flag);
  }
  return nanoseconds;
}

function retries(reading: Reading, text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const count = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (count >= 0 && count < 2 ** 31) return count;
  const flag = reading.node.flags.find((item) => item.text.startsWith("--retries="));
  throw fail(reading, `--retries is no count: ${JSON.stringify(text)}`, "for example: 3", flag);
}
