import type { OwnRule } from "./own-rule.ts";

/** FEATURES W036. */
export const cacheMountOwner: OwnRule = {
  name: "CacheMountOwner",
  severity: "warning",
  what: "A cache mount of a user other than root without `uid`.",
  why: "The folder of a new cache belongs to root, so that the command cannot write to it: it fails with a permission error, or goes without its cache and says nothing.",
  bad: `FROM node:22
USER node
RUN --mount=type=cache,target=/home/node/.npm npm ci
`,
  good: `FROM node:22
USER node
RUN --mount=type=cache,target=/home/node/.npm,uid=1000,gid=1000 npm ci
`,
  check({ stages }, report) {
    for (const { commands } of stages) {
      let user = "root";
      for (const command of commands) {
        if (command.kind === "user") user = command.user;
        if (command.kind !== "run" || /^(?:root|0)(?::|$)|\$/.test(user)) continue;
        const mount = command.mounts.find(
          (text) => /type=cache\b/.test(text) && !/\b(?:uid|mode)=/.test(text),
        );
        if (mount !== undefined)
          report(command, `${user} cannot write to the cache mount: add uid= and gid=`);
      }
    }
  },
};
