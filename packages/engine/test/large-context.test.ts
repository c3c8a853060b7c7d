import type { BuildEvent } from "@tsbuild/base";
import { expect, test } from "vitest";
import { largeContextWarnings } from "../src/large-context.ts";

const large = (name: string, shown?: string) => ({
  context: { name, folder: "/srv/app", shown, ignore: [] },
  entries: 120_000,
  bytes: 812_000_001,
  top: [
    { path: "node_modules/", entries: 119_000, bytes: 700_000_000 },
    { path: "dump.sql", entries: 1, bytes: 112_000_000 },
    { path: "README.md", entries: 1, bytes: 999 },
  ],
});

test("one warning for each context, with what is largest in it and where to leave it out", () => {
  const events: BuildEvent[] = [];
  const tell = largeContextWarnings((event) => events.push(event));
  tell(large("context"));
  tell(large("context"));
  tell(large("other", "https://example.com/repo.git"));
  expect(events).toMatchObject([
    {
      type: "warning",
      rule: "large-context",
      message:
        "a step reads 813 MB in 120000 entries of /srv/app; the largest: node_modules/ (700 MB in 119000 entries), dump.sql (112 MB). What it does not need can be left out: name it in .dockerignore (tsbuild context ls shows what counts)",
    },
    { message: expect.stringContaining("of https://example.com/repo.git;") },
  ]);
});

test("many small ones are not named", () => {
  const events: BuildEvent[] = [];
  const top = [{ path: "f1", entries: 1, bytes: 10 }];
  largeContextWarnings((event) => events.push(event))({ ...large("context"), top });
  expect(events).toMatchObject([
    { message: expect.stringMatching(/^a step reads 813 MB in 120000 entries of \/srv\/app\. What it/) },
  ]);
});
