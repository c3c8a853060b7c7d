import type { HealthcheckInstruction } from "@tsbuild/dockerfile";
import type { Healthcheck } from "@tsbuild/oci";
import { duration, plainList } from "../go-format.ts";
import type { Step } from "./step.ts";
import { warnRepeated } from "./warnings.ts";

/** Only what is set: a zero means the runtime's default (D124). */
function nonZero(values: Record<string, number>): Partial<Healthcheck> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== 0));
}

/** HEALTHCHECK: the last one wins. */
export function healthcheck(step: Step<HealthcheckInstruction>): void {
  const { command, build } = step;
  warnRepeated(step);
  const { test, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = command.health;
  build.image.config.Healthcheck = {
    ...(test.length > 0 ? { Test: [...test] } : {}),
    ...nonZero({
      Interval: intervalNs,
      Timeout: timeoutNs,
      StartPeriod: startPeriodNs,
      StartInterval: startIntervalNs,
      Retries: retries,
    }),
  };
  const shown = [
    `Test:${plainList(test)}`,
    `Interval:${duration(intervalNs)}`,
    `Timeout:${duration(timeoutNs)}`,
    `StartPeriod:${duration(startPeriodNs)}`,
    `StartInterval:${duration(startIntervalNs)}`,
    `Retries:${retries}`,
  ];
  build.addHistory(`HEALTHCHECK {${shown.join(" ")}}`);
}
