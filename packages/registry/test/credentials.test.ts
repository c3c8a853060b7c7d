import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { storedCredentials } from "../src/index.ts";
import { proxyFor } from "../src/proxies.ts";

function auth(user: string): { readonly auth: string } {
  return { auth: Buffer.from(`${user}:pw-${user}`).toString("base64") };
}

describe("stored credentials", () => {
  let home: string;
  let env: Record<string, string>;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "tsbuild-credentials-"));
    env = { HOME: home, XDG_RUNTIME_DIR: join(home, "run"), PATH: `${home}:${process.env["PATH"]}` };
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  function file(path: string, value: unknown): void {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), typeof value === "string" ? value : JSON.stringify(value));
  }

  async function user(host: string, repository = "team/app"): Promise<string | undefined> {
    const { credential } = await storedCredentials(env).find(host, repository);
    return credential?.type === "password" ? credential.username : credential?.token;
  }

  test("docker's file: keys as URLs, Hub's own name, tokens before passwords", async () => {
    file(".docker/config.json", {
      auths: {
        "https://index.docker.io/v1/": auth("hub"),
        "https://quay.io/v2/": auth("quay"),
        plain: { username: "u", password: "p" },
        identity: { ...auth("x"), identitytoken: "refresh" },
        registry: { registrytoken: "bearer" },
        empty: {},
      },
    });
    expect(await user("docker.io")).toBe("hub");
    expect(await user("quay.io")).toBe("quay");
    expect(await user("plain")).toBe("u");
    expect(await user("identity")).toBe("refresh");
    expect(await user("registry")).toBe("bearer");
    expect(await user("empty")).toBeUndefined();
    expect(await user("other")).toBeUndefined();
  });

  test("a narrower entry is for its own repositories only", async () => {
    file("run/containers/auth.json", { auths: { "q.io/team": auth("team"), "q.io/team/app": auth("app") } });
    expect(await user("q.io", "team/app")).toBe("app");
    expect(await user("q.io", "team/other")).toBe("team");
    expect(await user("q.io", "teamwork/app")).toBeUndefined();
    expect(await user("q.io", "")).toBeUndefined();
  });

  test("REGISTRY_AUTH_FILE, docker's, podman's: in this order", async () => {
    file("run/containers/auth.json", { auths: { h: auth("podman"), p: auth("podman") } });
    file(".docker/config.json", { auths: { h: auth("docker"), d: auth("docker") } });
    expect([await user("h"), await user("p"), await user("d")]).toEqual(["docker", "podman", "docker"]);
    file("named.json", { auths: { h: auth("named") } });
    env["REGISTRY_AUTH_FILE"] = join(home, "named.json");
    expect(await user("h")).toBe("named");
  });

  test("helpers: per host, else the store; one that is missing is told, not thrown", async () => {
    const script = `#!/bin/sh\nread host\necho '{"ServerURL":"x","Username":"'$host'","Secret":"s"}'\n`;
    writeFileSync(join(home, "docker-credential-own"), script, { mode: 0o755 });
    const none = "#!/bin/sh\necho credentials not found in native keychain\nexit 1\n";
    writeFileSync(join(home, "docker-credential-store"), none, { mode: 0o755 });
    file(".docker/config.json", {
      credHelpers: { "h:1": "own", gone: "gone", evil: "../../bin/sh" },
      credsStore: "store",
      auths: { f: auth("file") },
    });
    expect(await user("h:1")).toBe("h:1");
    expect(await user("f")).toBe("file");
    expect(await storedCredentials(env).find("gone", "x")).toMatchObject({
      credential: undefined,
      problem: expect.stringContaining("docker-credential-gone is not installed"),
    });
    expect((await storedCredentials(env).find("evil", "x")).problem).toContain("is not the name");
  });

  test("an entry that cannot be read is told; an empty one is what a store leaves", async () => {
    file(".docker/config.json", { auths: { half: { auth: "!!!" }, left: {} } });
    const problem = async (host: string) => (await storedCredentials(env).find(host, "app")).problem;
    expect(await problem("half")).toMatch(/config\.json: the entry of half holds no user with a password/);
    expect(await problem("left")).toBeUndefined();
  });

  test("a broken file is an error that does not quote it", async () => {
    file(".docker/config.json", '{"auths": {"h": {"auth": "c2VjcmV0"');
    const error = await user("h").catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "TSB_AUTH" });
    expect(String(error)).not.toContain("c2Vj");
  });
});

describe("proxies", () => {
  const env = {
    HTTPS_PROXY: "http://p:1",
    http_proxy: "q:2",
    NO_PROXY: "in.example, .corp,10.0.0.0/8,h.io:8443",
  };

  test.each([
    ["https://registry.example/", "http://p:1"],
    ["http://registry.example/", "http://q:2"],
    ["https://in.example/", undefined],
    ["https://a.in.example/", undefined],
    ["https://main.example/", "http://p:1"],
    ["https://x.corp/", undefined],
    ["https://10.2.3.4/", undefined],
    ["https://11.2.3.4/", "http://p:1"],
    ["https://h.io:8443/", undefined],
    ["https://h.io/", "http://p:1"],
    ["http://127.0.0.1:5000/", undefined],
  ])("%s by %s", (url, proxy) => {
    expect(proxyFor(url, env)).toBe(proxy);
  });
});
