import type { OwnRule } from "./own-rule.ts";

/** FEATURES W024. */
export const addWithoutChecksum: OwnRule = {
  name: "AddWithoutChecksum",
  severity: "info",
  what: "ADD of a URL without `--checksum`.",
  why: "Whatever the server sends is built in. With a checksum a changed or tampered file is an error, and the build can be repeated.",
  bad: `FROM scratch
ADD https://example.com/app.tar.gz /
`,
  good: `FROM scratch
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d https://example.com/app.tar.gz /
`,
  check({ stages }, report) {
    for (const add of stages.flatMap(({ commands }) => commands)) {
      if (add.kind !== "add" || add.checksum !== "") continue;
      const url = add.sources.find(
        (source) => /^https?:\/\//.test(source) && !/\.git(?:[#?]|$)/.test(source),
      );
      if (url !== undefined) report(add, `nothing says what ${url} must be: add --checksum=sha256:…`);
    }
  },
};
