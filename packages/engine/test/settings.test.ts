import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readSettings } from "../src/settings.ts";

describe("settings", () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "tsbuild-settings-"));
    mkdirSync(join(home, ".config/tsbuild"), { recursive: true });
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  function write(content: string): string {
    const path = join(home, ".config/tsbuild/config.json");
    writeFileSync(path, content);
    return path;
  }

  test("mirrors of the file, and those of the environment beside them", () => {
    write('{"registries": {"docker.io": {"mirrors": ["http://127.0.0.1:5000"]}, "h:1": {"http": true}}}');
    expect(readSettings({ HOME: home, TSBUILD_MIRROR: "a=b" })).toMatchObject({
      registries: { "docker.io": { mirrors: ["http://127.0.0.1:5000"] }, "h:1": { http: true } },
      mirror: "a=b",
      insecureHosts: [],
      pushChunkBytes: undefined,
    });
  });

  test("$TSBUILD_CONFIG names another file, $XDG_CONFIG_HOME another folder", () => {
    write('{"registries": {"x": {"http": true}}}');
    const other = join(home, "other.json");
    writeFileSync(other, "{}");
    expect(readSettings({ HOME: home, TSBUILD_CONFIG: other }).registries).toEqual({});
    const config = { HOME: "/nonexistent", XDG_CONFIG_HOME: join(home, ".config") };
    expect(readSettings(config).registries).toEqual({ x: { http: true } });
  });

  test("what is said of a registry beyond its mirrors, and in the environment", () => {
    const registry = { insecure: true, ca: "/ca.pem", chunkBytes: 5, connections: 2 };
    write(JSON.stringify({ registries: { x: registry } }));
    const env = { HOME: home, TSBUILD_INSECURE_REGISTRY: "a:1, b", TSBUILD_PUSH_CHUNK: "50m" };
    expect(readSettings(env)).toMatchObject({
      registries: { x: registry },
      mirror: undefined,
      insecureHosts: ["a:1", "b"],
      pushChunkBytes: 50 * 1024 * 1024,
    });
    expect(() => readSettings({ HOME: home, TSBUILD_PUSH_CHUNK: "much" })).toThrow(/not a size/);
  });

  test.each([
    ['{"registries": {"x": {"ca": 1}}}', /ca of "x" is not the path of a file/],
    ['{"registries": {"x": {"chunkBytes": 0}}}', /chunkBytes of "x" is not a positive/],
    ["{", /not valid JSON/],
    ["[]", /not a JSON object/],
    ['{"registry": {}}', /unknown setting "registry"/],
    ['{"registries": {"h": {"mirror": "x"}}}', /unknown setting "mirror" of registry "h"/],
    ['{"registries": {"h": {"mirrors": "x"}}}', /mirrors of "h" is not a list/],
    ['{"registries": {"h": {"http": 1}}}', /http of "h" is not true or false/],
  ])("%s is refused with file and field", (content, message) => {
    const path = write(content);
    const read = () => readSettings({ HOME: home });
    expect(read).toThrow(message);
    expect(read).toThrow(path);
  });

  test("who connects private networks", () => {
    expect(readSettings({ HOME: home }).networkProvider).toBe("auto");
    expect(readSettings({ HOME: home, TSBUILD_NETWORK: "pasta" }).networkProvider).toBe("pasta");
    expect(() => readSettings({ HOME: home, TSBUILD_NETWORK: "bridge" })).toThrow(
      /TSBUILD_NETWORK.*"bridge"/,
    );
  });
});
