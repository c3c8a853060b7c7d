import type { OwnRule } from "./own-rule.ts";

/** FEATURES W025. */
export const floatingBaseTag: OwnRule = {
  name: "FloatingBaseTag",
  severity: "info",
  what: "A base image has no tag, or `latest`.",
  why: "Its next major version comes without notice, and an old image cannot be built again. A version, or better a version with a digest, says what the Dockerfile was written for.",
  bad: `FROM debian
RUN make
`,
  good: `FROM debian:bookworm-20260803-slim
RUN make
`,
  check({ stages }, report) {
    const names = new Set<string>();
    for (const { from } of stages) {
      const { base, stageName } = from;
      const isImage = base !== "scratch" && !base.includes("$") && !names.has(base.toLowerCase());
      const [, tag] = /:([^/@:]+)(?:@.*)?$/.exec(base) ?? [];
      if (isImage && !base.includes("@") && (tag === undefined || tag === "latest"))
        report(from, `${base} may be another image tomorrow: name a version`);
      if (stageName !== undefined) names.add(stageName);
    }
  },
};
