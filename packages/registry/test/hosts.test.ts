import { describe, expect, test } from "vitest";
import { endpointsOf, isLoopback, parseChallenge, parseMirrors } from "../src/index.ts";

describe("hosts", () => {
  test("docker.io is served by its registry host, loopback by plain HTTP", () => {
    expect(endpointsOf("docker.io", {}).map((e) => e.url)).toEqual(["https://registry-1.docker.io"]);
    expect(endpointsOf("localhost:5000", {}).map((e) => e.url)).toEqual(["http://localhost:5000"]);
    expect(endpointsOf("[::1]:5000", {}).map((e) => e.url)).toEqual(["http://[::1]:5000"]);
    expect(endpointsOf("127.0.0.1", {}).map((e) => e.url)).toEqual(["http://127.0.0.1"]);
    expect(endpointsOf("127.evil.example", {}).map((e) => e.url)).toEqual(["https://127.evil.example"]);
  });

  test.each([
    ["https://harbor.example/hub/", { url: "https://harbor.example", prefix: "hub" }],
    ["https://a.example/registry/v2", { url: "https://a.example/registry" }],
    ["https://a.example/registry/v2/x/y", { url: "https://a.example/registry", prefix: "x/y" }],
    ["https://a.example/v2/x", { url: "https://a.example", prefix: "x" }],
  ])("a mirror's path is where its repositories are: %s", (mirror, expected) => {
    const [endpoint] = endpointsOf("docker.io", { "docker.io": { mirrors: [mirror] } });
    const { host } = new URL(mirror);
    expect(endpoint).toEqual({ ...expected, host, mirror: true });
  });

  test.each([
    ["localhost", true],
    ["127.1.2.3:80", true],
    ["[::1]", true],
    ["example.com", false],
    ["10.0.0.1", false],
  ])("is %s this machine: %s", (host, expected) => expect(isLoopback(host)).toBe(expected));

  test("TSBUILD_MIRROR lists hosts and URLs", () => {
    expect(parseMirrors("docker.io=http://a:1, quay.io=b.example,docker.io=https://c/prefix/")).toEqual({
      "docker.io": { mirrors: ["http://a:1", "https://c/prefix"] },
      "quay.io": { mirrors: ["https://b.example"] },
    });
    expect(() => parseMirrors("docker.io")).toThrow(/HOST=URL/);
  });
});

describe("challenges", () => {
  test("quoted and plain parameters", () => {
    expect(
      parseChallenge('Bearer realm="https://a/b?c=d,e",service=x,scope="repository:y:pull,push"'),
    ).toEqual({
      scheme: "bearer",
      parameters: { realm: "https://a/b?c=d,e", service: "x", scope: "repository:y:pull,push" },
    });
    expect(parseChallenge("Basic")).toEqual({ scheme: "basic", parameters: {} });
    expect(parseChallenge("")).toBeUndefined();
  });
});
