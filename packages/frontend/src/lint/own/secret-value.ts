import type { Instruction } from "@tsbuild/dockerfile";
import { type OwnRule, wholeText } from "./own-rule.ts";

/** Formats that nothing but a credential has. */
const SECRETS: readonly (readonly [string, RegExp])[] = [
  ["an AWS access key", /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["a GitHub token", /\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})\b/],
  ["a GitLab token", /\bglpat-[\w-]{20}\b/],
  ["an npm token", /\bnpm_[A-Za-z0-9]{36}\b/],
  ["a Slack token", /\bxox[abposr]-[\w-]{10,}/],
  ["a private key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/],
  ["a password in a URL", /\bhttps?:\/\/[^\s:@/$]+:(?!\$)[^\s:@/$]{3,}@/],
];

/** FEATURES W011. */
export const secretValue: OwnRule = {
  name: "SecretValue",
  severity: "error",
  what: "A text that looks like a key, token or password stands in the file.",
  why: "Whoever sees the Dockerfile, the image's history or the build's log has it. A secret mount gives it to one RUN, and to no layer, no cache key and no log.",
  bad: `FROM debian:bookworm
ENV URL=https://robot:hunter2@example.com/repo
RUN make
`,
  good: `FROM debian:bookworm
RUN --mount=type=secret,id=netrc,target=/root/.netrc make
`,
  check({ metaArgs, stages }, report) {
    const all = [...metaArgs, ...stages.flatMap(({ from, commands }): Instruction[] => [from, ...commands])];
    for (const instruction of all) {
      const text = wholeText(instruction);
      const found = SECRETS.find(([, pattern]) => pattern.test(text));
      if (found !== undefined)
        report(
          instruction,
          `this looks like ${found[0]}: use RUN --mount=type=secret, and revoke it if it is real`,
        );
    }
  },
};
