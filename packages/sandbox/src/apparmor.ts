/** AppArmor: which profile a step enters, and whether this machine can do that. */
import { readFileSync } from "node:fs";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { HostFacts } from "./host.ts";
import type { ExecSpec } from "./spec.ts";

/** Steps enter it wherever somebody has loaded it: a program without a daemon loads no profile by itself. */
export const DEFAULT_PROFILE = "tsbuild-default";

/** What stands for no profile, in Docker's and AppArmor's words. */
export const UNCONFINED = "unconfined";

export interface AppArmorFacts {
  /** Undefined: the kernel does not tell this user. */
  readonly profiles: readonly LoadedProfile[] | undefined;
}

export interface LoadedProfile {
  readonly name: string;
  /** `enforce`, `kill`, `complain` (violations are only logged), `unconfined`. */
  readonly mode: string;
}

/** Lines of securityfs's `apparmor/profiles`: `NAME (MODE)`; a name may hold blanks and brackets. */
export function parseProfiles(text: string): LoadedProfile[] {
  return text.split("\n").flatMap((line) => {
    const [, name, mode] = /^(.+) \(([a-z]+)\)$/.exec(line) ?? [];
    return name === undefined || mode === undefined ? [] : [{ name, mode }];
  });
}

function readIfTold(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "EACCES", "EPERM"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** Undefined: this kernel has no AppArmor, or it is off. */
export function readAppArmor(): AppArmorFacts | undefined {
  if (readIfTold("/sys/module/apparmor/parameters/enabled")?.trim() !== "Y") return undefined;
  const listed = readIfTold("/sys/kernel/security/apparmor/profiles");
  return { profiles: listed === undefined ? undefined : parseProfiles(listed) };
}

/** The profile that a step enters; undefined: none. Pure. One that somebody asked for is entered or the step fails. */
export function profileOf({ security, apparmorProfile }: ExecSpec, host: HostFacts): string | undefined {
  if (security === "insecure" || apparmorProfile === UNCONFINED) return undefined;
  if (apparmorProfile !== undefined) return apparmorProfile;
  const isLoaded = host.apparmor?.profiles?.some(({ name }) => name === DEFAULT_PROFILE) === true;
  return isLoaded ? DEFAULT_PROFILE : undefined;
}

/**
 * Says before anything of a step is made that its profile cannot be entered. Throws TSB_SANDBOX. What the kernel does not tell is found out
 * when the step enters it.
 */
export function checkProfile(spec: ExecSpec, host: HostFacts): void {
  const profile = profileOf(spec, host);
  if (profile === undefined) return;
  const { apparmor } = host;
  const text = JSON.stringify(profile);
  if (apparmor === undefined) {
    throw new TsbuildError(
      "TSB_SANDBOX",
      `steps cannot enter the AppArmor profile ${text}: AppArmor is off`,
      {
        hint: "leave --security-opt apparmor=… out, or boot a kernel that has it with apparmor=1 security=apparmor",
      },
    );
  }
  const { profiles } = apparmor;
  if (profiles === undefined || profiles.some(({ name }) => name === profile)) return;
  throw new TsbuildError("TSB_SANDBOX", `no AppArmor profile ${text} is loaded`, {
    hint: loadHint(profiles),
  });
}

const LISTED = 8;

function loadHint(profiles: readonly LoadedProfile[]): string {
  const names = profiles.slice(0, LISTED).map(({ name }) => name);
  const more = profiles.length > LISTED ? ` and ${profiles.length - LISTED} more` : "";
  const loaded = names.length === 0 ? "none is loaded" : `loaded: ${names.join(", ")}${more}`;
  return `as root: apparmor_parser -r FILE; ${loaded}`;
}
