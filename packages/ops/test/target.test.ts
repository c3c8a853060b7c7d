import { describe, expect, test } from "vitest";
import { cleanPath } from "../src/content/locate.ts";
import { stepEnvironment } from "../src/exec/environment.ts";
import { parseDestination } from "../src/file/target.ts";

describe("paths", () => {
  test.each([
    ["/a/../b//c/", "b/c"],
    ["../../etc", "etc"],
    ["/", ""],
    ["./x/.", "x"],
  ])("%s is %s below the root", (path, expected) => expect(cleanPath(path)).toBe(expected));

  test.each([
    ["/app/", true],
    ["/app/.", true],
    ["/", true],
    [".", true],
    ["", true],
    ["/app", false],
    ["/app/x.", false],
  ])("is %s written as a folder: %s", (dest, expected) =>
    expect(parseDestination(dest).writtenAsFolder).toBe(expected),
  );
});

describe("environment of a step", () => {
  const meta = {
    args: [],
    env: ["A=1", "http_proxy=own"],
    cwd: "/",
    user: "",
    proxyEnv: { http: "p", https: "", ftp: "", no: "n", all: "" },
    extraHosts: [],
    hostname: "",
    ulimits: [],
    cgroupParent: "",
    removeMountStubsRecursive: true,
    validExitCodes: [],
  };
  test("recorded first, then proxies in both cases, HOME and PATH", () => {
    expect(stepEnvironment(meta, { home: "/root", extra: [], secrets: new Map() })).toEqual([
      "A=1",
      "http_proxy=own",
      "HTTP_PROXY=p",
      "NO_PROXY=n",
      "no_proxy=n",
      "HOME=/root",
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ]);
  });
});
