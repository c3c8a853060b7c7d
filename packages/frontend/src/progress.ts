import type { Platform } from "@tsbuild/base";
import type { Environment } from "./environment.ts";
import { formatFullPlatform, normalizePlatform, parsePlatform } from "./platform.ts";
import type { Stage } from "./stage.ts";

/** The first word in capitals: instructions show as Docker writes them. */
export function capitalized(text: string): string {
  const blank = text.indexOf(" ");
  return blank < 0 ? text.toUpperCase() : text.slice(0, blank).toUpperCase() + text.slice(blank);
}

/** The platform that the TARGET* variables of the stage say, when any is declared there. */
function targetFromArgs(env: Environment): Partial<Platform> | undefined {
  const [os, architecture, variant] = ["TARGETOS", "TARGETARCH", "TARGETVARIANT"].map((name) =>
    env.get(name),
  );
  const whole = env.get("TARGETPLATFORM");
  if (whole !== undefined && /^[\w.-]+\/[\w.-]+(?:\/[\w.-]+)?$/.test(whole)) return parsePlatform(whole);
  if (os === undefined && architecture === undefined && variant === undefined) return undefined;
  return {
    ...(os ? { os } : {}),
    ...(architecture ? { architecture } : {}),
    ...(variant ? { variant } : {}),
  };
}

/** `->arm64` behind the platform of a stage that compiles for another one. */
function crossSuffix(base: Platform, env: Environment | undefined): string {
  const args = env === undefined ? undefined : targetFromArgs(env);
  if (args === undefined) return "";
  const target = normalizePlatform({ os: base.os, architecture: base.architecture, ...args });
  if (target.os !== base.os) return `->${formatFullPlatform(target)}`;
  if (target.architecture === base.architecture) return "";
  return `->${target.architecture}${target.variant ? `/${target.variant}` : ""}`;
}

export interface StepPlatform {
  /** Shown when several platforms are built. */
  readonly platform: Platform | undefined;
  /** Variables of the stage, for cross compilation. */
  readonly env?: Environment | undefined;
}

/** `[linux/amd64->arm64 build ` up to the number. */
function prefix(stage: Stage, { platform, env }: StepPlatform): string {
  const shown = platform === undefined ? "" : `${formatFullPlatform(platform)}${crossSuffix(platform, env)} `;
  return `[${shown}${stage.displayName === "" ? "" : `${stage.displayName} `}`;
}

/** Takes the next number of the stage: `[build 2/5] RUN make` (D072). A stage without steps has no prefix. */
export function nextStepName(stage: Stage, text: string, where: StepPlatform): string {
  if (stage.stepTotal === 0) return text;
  stage.stepIndex++;
  return currentStepName(stage, text, where);
}

/** The same number again. */
export function currentStepName(stage: Stage, text: string, where: StepPlatform): string {
  if (stage.stepTotal === 0) return text;
  const width = String(stage.stepTotal).length;
  const number = String(stage.stepIndex).padStart(width);
  return `${prefix(stage, where)}${number}/${stage.stepTotal}] ${text}`;
}
