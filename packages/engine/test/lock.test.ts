import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256, TsbuildError } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { EMPTY_LOCK, formatLock, parseLock, writeLock } from "../src/sources/lock-file.ts";
import { BuildRules } from "../src/sources/rules.ts";

const platform = { os: "linux", architecture: "amd64" };
const NAME = "docker.io/library/debian:bookworm";
const [one, two] = [sha256("one"), sha256("two")];
const commit = "0123456789012345678901234567890123456789";
const git = (ref = "") => ({
  identifier: `git://h/r.git${ref}`,
  attrs: { "git.fullurl": "https://u:p@h/r.git" },
});
const url = { identifier: "https://h/f", attrs: {} };

function rules(mode?: "locked" | "update", lock = EMPTY_LOCK): BuildRules {
  const made = new BuildRules({ policy: [], mode });
  made.useLock(lock);
  return made;
}

const full = {
  images: { [NAME]: { "linux/amd64": one } },
  http: { "https://h/f": two },
  git: { "https://h/r.git#main": commit },
};

describe("the file", () => {
  test("is sorted, a line per source, and reads back", () => {
    const lock = { images: { b: { "linux/amd64": one }, a: { x: two } }, http: { z: two, y: one }, git: {} };
    const text = formatLock(lock);
    expect(text.indexOf('"a"')).toBeLessThan(text.indexOf('"b"'));
    expect(text.indexOf('"y"')).toBeLessThan(text.indexOf('"z"'));
    expect(text.endsWith("}\n")).toBe(true);
    expect(parseLock(text, "l")).toEqual(lock);
    expect(formatLock(parseLock(text, "l"))).toBe(text);
  });

  test.each([
    ["{", "it is not valid JSON"],
    ['{\n<<<<<<< ours\n"version": 1}', "it has conflict markers"],
    ['{"version": 2}', "its version is 2"],
    ['{"version": 1, "image": {}}', 'unknown field "image"'],
    ['{"version": 1, "http": {"u": "sha256:12"}}', 'http["u"] is "sha256:12"'],
    ['{"version": 1, "git": {"u": "main"}}', 'git["u"] is "main"'],
    ['{"version": 1, "images": {"u": "x"}}', 'images["u"] is not an object'],
  ])("%s is refused", (text, why) => {
    expect(() => parseLock(text, "tsbuild.lock")).toThrow(`tsbuild.lock: ${why}`);
  });

  test("is replaced whole", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tsbuild-lock-"));
    try {
      await writeLock(join(folder, "tsbuild.lock"), full);
      await writeLock(join(folder, "tsbuild.lock"), EMPTY_LOCK);
      expect(readdirSync(folder)).toEqual(["tsbuild.lock"]);
      expect(parseLock(readFileSync(join(folder, "tsbuild.lock"), "utf8"), "l")).toEqual(EMPTY_LOCK);
      await expect(writeLock(join(folder, "missing", "l"), full)).rejects.toThrow("cannot write");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("in a build (W025)", () => {
  test("names mean what the lock says", () => {
    const locked = rules("locked", full);
    expect(locked.imageName(NAME, platform)).toBe(`${NAME}@${one}`);
    expect(locked.apply(url).attrs["http.checksum"]).toBe(two);
    expect(locked.apply({ identifier: "https://u:p@h/f", attrs: {} }).attrs["http.checksum"]).toBe(two);
    expect(locked.apply(git("#main:dir")).attrs["git.pinned"]).toBe(commit);
  });

  test("what it lacks is refused with --locked, and asked for without", () => {
    for (const ask of [
      (r: BuildRules) => r.imageName("docker.io/library/x:1", platform),
      (r: BuildRules) => r.imageName(NAME, { os: "linux", architecture: "arm64" }),
      (r: BuildRules) => r.apply(git()),
      (r: BuildRules) => r.apply({ identifier: "http://h/other", attrs: {} }),
    ]) {
      expect(() => ask(rules("locked", full))).toThrow("is not in tsbuild.lock, and the build is --locked");
      expect(() => ask(rules(undefined, full))).not.toThrow();
    }
  });

  test("an image that is not to be had is told to be the lock's, with what to type", () => {
    const error = new TsbuildError("TSB_RESOLVE", `resolving ${NAME}@${one}: 404`, {
      hint: "check the name",
    });
    const told = rules(undefined, full).imageError(error, NAME, platform);
    expect(told).toMatchObject({
      code: "TSB_RESOLVE",
      message: `tsbuild.lock says ${NAME} is ${one}, which cannot be had: resolving ${NAME}@${one}: 404`,
      hint: "check the name; to take what the name is now: tsbuild build --update-lock …",
    });
    expect(rules("update", full).imageError(error, NAME, platform)).toBe(error);
    expect(rules(undefined, full).imageError(error, "docker.io/library/x:1", platform)).toBe(error);
  });

  test("what cannot change needs no lock", () => {
    const locked = rules("locked");
    expect(locked.imageName(`${NAME}@${one}`, platform)).toBe(`${NAME}@${one}`);
    expect(locked.apply(git(`#${commit}`)).attrs).not.toHaveProperty("git.pinned");
    const checked = { identifier: "https://h/f", attrs: { "http.checksum": one } };
    expect(locked.apply(checked)).toEqual(checked);
    const local = { identifier: "local://context", attrs: {} };
    expect(locked.apply(local)).toEqual(local);
  });

  test("an update takes no notice of the old entries, writes what was found, and keeps the rest", () => {
    const update = rules("update", full);
    expect(update.imageName(NAME, platform)).toBe(NAME);
    expect(update.apply(url)).toEqual(url);
    update.foundImage(NAME, { os: "linux", architecture: "arm64" }, { resolvedBy: NAME, digest: two });
    update.found(url, one);
    update.found(git("#v1"), commit);
    expect(update.updated()).toEqual({
      images: { [NAME]: { "linux/amd64": one, "linux/arm64": two } },
      http: { "https://h/f": one },
      // The password of the URL stays out of it.
      git: { "https://h/r.git#main": commit, "https://h/r.git#v1": commit },
    });
  });
});

test("an image that a policy replaces stays replaced once it is pinned", () => {
  const to = "docker-image://registry.example/base:1";
  const policy = [
    {
      action: "CONVERT",
      selector: { identifier: `docker-image://${NAME}`, match: "EXACT", constraints: [] },
      updates: { identifier: to, attrs: {} },
    },
  ] as const;
  const made = new BuildRules({ policy, mode: undefined });
  const resolvedBy = made.imageName(NAME, platform);
  expect(resolvedBy).toBe("registry.example/base:1");
  made.foundImage(NAME, platform, { resolvedBy, digest: one });
  const pinned = { identifier: `docker-image://${NAME}@${one}`, attrs: {} };
  expect(made.apply(pinned).identifier).toBe(`${to}@${one}`);
});
