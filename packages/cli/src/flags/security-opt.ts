import { TsbuildError } from "@tsbuild/base";

/** Options that docker run and buildah know, and why they are not for the steps of a build here. */
const REFUSED: Readonly<Record<string, string>> = {
  seccomp:
    "steps have docker's default filter; RUN --security=insecure with --allow security.insecure has none",
  label: "steps get no SELinux label, as with label=disable",
  "no-new-privileges": "it would break su and sudo in steps, which images are built with",
  systempaths: "RUN --security=insecure with --allow security.insecure shows all of /proc and /sys",
  mask: "what of /proc and /sys is hidden is docker's list",
  unmask: "RUN --security=insecure with --allow security.insecure shows all of /proc and /sys",
  credentialspec: "it is for Windows",
};

/** The AppArmor profile that `--security-opt apparmor=NAME` asks for; undefined: nobody did. Throws TSB_USAGE. */
export function parseSecurityOpts(texts: readonly string[]): string | undefined {
  return texts.map(parseSecurityOpt).findLast((profile) => profile !== undefined);
}

function parseSecurityOpt(text: string): string | undefined {
  /* docker took a colon once, and still does. */
  const [, key = text, value = ""] = /^([a-z-]+)[=:](.*)$/s.exec(text) ?? [];
  if (key === "apparmor") return profileName(text, value);
  if (key === "label" && value === "disable") return undefined;
  const why = Object.hasOwn(REFUSED, key) ? REFUSED[key] : "such an option is not known";
  throw new TsbuildError("TSB_USAGE", `--security-opt ${JSON.stringify(text)}: ${why}`, {
    hint: "what there is: --security-opt apparmor=PROFILE, apparmor=unconfined, label=disable",
  });
}

function profileName(text: string, name: string): string {
  /* A line break or NUL would end the name for the kernel, and the rest be lost. */
  if (name !== "" && name === name.trim() && !/[\x00-\x1f\x7f]/.test(name)) return name;
  throw new TsbuildError("TSB_USAGE", `--security-opt ${JSON.stringify(text)} names no profile`, {
    hint: "for example --security-opt apparmor=tsbuild-default; aa-status lists those that are loaded",
  });
}
