import type { NativeFs } from "@tsbuild/native-fs";
import type { Store, WritableView } from "@tsbuild/store";
import { expect, test } from "vitest";
import type { OpsEnvironment } from "../src/environment.ts";
import { StepRoot } from "../src/exec/root-facts.ts";

const FOLDER = { mode: 0o040755 };

/** Steps of one state folder, and which paths were looked at for them. */
function world() {
  const asked: string[] = [];
  const there = new Set(["proc", "dev"]);
  const fs = {
    statInRoot: (_root: number, path: string) => {
      asked.push(path);
      return there.has(path) || path === "." ? FOLDER : undefined;
    },
    readFileInRoot: (root: number, path: string) => {
      asked.push(path);
      return Buffer.from(path === "etc/passwd" ? `app:x:${root}:5::/app:\n` : "");
    },
    pathInRoot: () => undefined,
    mkdirInRoot: (_root: number, path: string) => [path],
  } as unknown as NativeFs;
  const env = { fs, store: {} as Store } as OpsEnvironment;
  const step = (root: number, shows?: string) => {
    asked.length = 0;
    return new StepRoot(env, { root, shows } as WritableView);
  };
  return { asked, there, step };
}

const POINTS = [
  { path: "/proc", type: "folder" },
  { path: "/dev", type: "folder" },
] as const;

test("of a root that shows what another did, nothing is looked at again", () => {
  const { asked, step } = world();
  const first = step(7, "a:b");
  const user = first.user("app");
  expect(user).toMatchObject({ uid: 7, home: "/app" });
  expect(first.stubs(POINTS)).toEqual({ made: [], touched: [] });
  expect(asked).not.toEqual([]);
  const second = step(8, "a:b");
  expect([second.user("app"), second.stubs(POINTS)]).toEqual([user, { made: [], touched: [] }]);
  expect(asked).toEqual([]);
});

test("another user, other mount points and another root are", () => {
  const { asked, step } = world();
  const first = step(7, "a");
  first.user("app");
  first.stubs(POINTS);
  const same = step(7, "a");
  same.user("app:9");
  expect(asked).toContain("etc/passwd");
  same.stubs(POINTS.slice(1));
  expect(asked).toContain("dev");
  expect(step(8, "b").user("app").uid).toBe(8);
  expect(step(9).user("app").uid).toBe(9);
  expect(step(10).user("app").uid).toBe(10);
});

test("what had to be made is made again, and a user who is not there is looked for again", () => {
  const { there, step } = world();
  there.delete("dev");
  const made = [{ path: "dev", type: "folder" }];
  expect(step(7, "a").stubs(POINTS).made).toEqual(made);
  expect(step(8, "a").stubs(POINTS).made).toEqual(made);
  for (const root of [7, 8]) expect(() => step(root, "a").user("nobody")).toThrow("unable to find user");
});
