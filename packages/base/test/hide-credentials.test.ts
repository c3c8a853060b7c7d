import { expect, test } from "vitest";
import { hideCredentials } from "../src/hide-credentials.ts";

test.each([
  ["ADD https://me:pw@h/f /x", "ADD https://***@h/f /x"],
  ["https://token@h and HTTP://a:b@c", "https://***@h and HTTP://***@c"],
  ["https://me:p@ss@h/f@x", "https://***@h/f@x"],
  ["git://me:pw@h/r ssh://me:pw@h/r", "git://***@h/r ssh://***@h/r"],
  ["ssh://git@h/r git@h:o/r", "ssh://git@h/r git@h:o/r"],
  ["https://h/a@b https://h?m=a@b https://h#a@b", "https://h/a@b https://h?m=a@b https://h#a@b"],
  [
    "oci-layout://x:1@sha256:00 docker-image://b:1@sha256:00",
    "oci-layout://x:1@sha256:00 docker-image://b:1@sha256:00",
  ],
])("%s", (text, shown) => {
  expect(hideCredentials(text)).toBe(shown);
});
