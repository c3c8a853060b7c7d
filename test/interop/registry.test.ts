import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { sha256 } from "@tsbuild/base";
import { startTokenServer, type TokenServer } from "@tsbuild/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSelfSigned } from "../e2e/certificate.ts";
import { findProgram, missing, run, runOk, World } from "../e2e/world.ts";
import { type RegistryServer, type RegistryServerOptions, startRegistryServer } from "./registry-server.ts";

const reason = missing("docker-registry", "skopeo", "openssl", "perl");
if (reason !== undefined) console.log(`skipped: registries with logins and certificates: ${reason}`);

describe.skipIf(reason !== undefined)("a docker-registry", () => {
  const world = new World();
  const home = world.path("home");
  const env = { HOME: home, DOCKER_CONFIG: world.path("home/.docker"), XDG_RUNTIME_DIR: world.path("none") };
  const servers: RegistryServer[] = [];
  const context = world.context("ctx", { Dockerfile: "FROM scratch\nCOPY f /f\n", f: randomBytes(200_000) });

  beforeAll(() => void mkdirSync(home, { recursive: true }));
  afterAll(async () => {
    for (const server of servers) await server.close();
    world.close();
  });

  async function start(options: RegistryServerOptions): Promise<RegistryServer> {
    const server = await startRegistryServer(world, options);
    servers.push(server);
    return server;
  }

  const certificate = (name: string) => createSelfSigned(world.path(name));

  const push = (name: string, ...flags: readonly string[]) =>
    world.tsbuild(["build", "--progress=plain", "-t", name, "--push", ...flags, context], { env });

  async function digestAt(name: string, ...flags: readonly string[]): Promise<string> {
    return (
      await runOk("skopeo", ["inspect", ...flags, "--format", "{{.Digest}}", `docker://${name}`])
    ).stdout.trim();
  }

  test("without any login: other tools see the digest that was pushed", async () => {
    const { host } = await start({ name: "plain" });
    const metadata = world.path("metadata.json");
    const { code, stderr } = await push(`${host}/team/app:1`, "--metadata-file", metadata);
    expect(stderr).toMatch(/pushing sha256:/);
    expect(code).toBe(0);
    const { "containerimage.digest": digest } = JSON.parse(readFileSync(metadata, "utf8")) as Record<
      string,
      string
    >;
    expect(await digestAt(`${host}/team/app:1`, "--tls-verify=false")).toBe(digest);
    await runOk("skopeo", [
      "copy",
      "--quiet",
      "--src-tls-verify=false",
      `docker://${host}/team/app:1`,
      `dir:${world.path("copy")}`,
    ]);
    // What another tool has pushed from there is the same thing again.
    await runOk("skopeo", [
      "copy",
      "--quiet",
      "--dest-tls-verify=false",
      `dir:${world.path("copy")}`,
      `docker://${host}/again:1`,
    ]);
    expect(await digestAt(`${host}/again:1`, "--tls-verify=false")).toBe(digest);
    const again = await push(`${host}/team/app:2`, "--metadata-file", metadata);
    expect(again.stderr).toMatch(/CACHED/);
    expect(JSON.parse(readFileSync(metadata, "utf8"))).toMatchObject({ "containerimage.digest": digest });
  });

  test.skipIf(findProgram("buildah") === undefined)("buildah builds on what was pushed", async () => {
    const host = servers[0]?.host ?? "";
    const storage = [
      "--root",
      world.path("b/root"),
      "--runroot",
      world.path("b/run"),
      "--storage-driver=vfs",
    ];
    await runOk("buildah", [...storage, "pull", "-q", "--tls-verify=false", `docker://${host}/team/app:1`]);
    const { stdout } = await runOk("buildah", [
      ...storage,
      "inspect",
      "--type=image",
      "--format",
      "{{.FromImageDigest}}",
      `${host}/team/app:1`,
    ]);
    expect(stdout.trim()).toBe(await digestAt(`${host}/team/app:1`, "--tls-verify=false"));
  });

  test("layers of a base that another tool has pushed stay what they are, and are mounted", async () => {
    const { host } = servers[0] ?? { host: "" };
    const folder = world.context("derived", { Dockerfile: `FROM ${host}/again:1\nCOPY g /g\n`, g: "g" });
    const state = { TSBUILD_ROOT: world.path("fresh") };
    await world.ok(["build", "-t", `${host}/derived:1`, "--push", folder], { env: { ...env, ...state } });
    const raw = async (name: string) =>
      JSON.parse(
        (await runOk("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${host}/${name}`]))
          .stdout,
      ) as {
        readonly layers: readonly { readonly digest: string }[];
      };
    const [base, derived] = [await raw("again:1"), await raw("derived:1")];
    expect(derived.layers[0]?.digest).toBe(base.layers[0]?.digest);
    expect(derived.layers).toHaveLength(2);
  });

  test("by digest only", async () => {
    const host = servers[0]?.host ?? "";
    const output = `type=registry,name=${host}/nameless,push-by-digest=true`;
    const metadata = world.path("by-digest.json");
    await world.ok(["build", "-o", output, "--metadata-file", metadata, context], { env });
    const { "image.name": name = "" } = JSON.parse(readFileSync(metadata, "utf8")) as Record<string, string>;
    expect(name).toMatch(/nameless@sha256:/);
    const raw = await runOk("skopeo", ["inspect", "--raw", "--tls-verify=false", `docker://${name}`]);
    expect(sha256(Buffer.from(raw.stdout))).toBe(name.split("@")[1]);
    const tags = await run("skopeo", ["list-tags", "--tls-verify=false", `docker://${host}/nameless`]);
    expect(tags.stdout).not.toMatch(/latest/);
  });

  test("with passwords (basic)", async () => {
    const crypt = 'print "me:", crypt("secret", "\\$2y\\$05\\$abcdefghijklmnopqrstuu"), "\\n"';
    const { stdout: htpasswd } = await runOk("perl", ["-e", crypt]);
    writeFileSync(world.path("htpasswd"), htpasswd);
    const { host } = await start({
      name: "basic",
      auth: { htpasswd: { realm: "test", path: world.path("htpasswd") } },
    });
    const refused = await push(`${host}/app:1`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(new RegExp(`app.*answered 401[^]*tsbuild login ${host}`));

    const login = (password: string) =>
      world.tsbuild(["login", "-u", "me", "--password-stdin", host], { env, input: `${password}\n` });
    const wrong = await login("wrong");
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/login to .* as me/);
    const config = world.path("home/.docker/config.json");
    const auth = Buffer.from("me:outdated").toString("base64");
    mkdirSync(world.path("home/.docker"), { recursive: true });
    writeFileSync(config, JSON.stringify({ auths: { [host]: { auth } } }));
    expect((await push(`${host}/app:1`)).stderr).toMatch(/logged in as me: the password may be wrong/);
    const right = await login("secret");
    expect(right.stderr).toBe("");
    const file = world.path("home/.docker/config.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const pushed = await push(`${host}/app:1`);
    expect(pushed.stderr).toMatch(/built/);
    expect(`${pushed.stdout}${pushed.stderr}${right.stdout}`).not.toMatch(/secret|bWU6c2VjcmV0/);
    // The file is one that other tools read.
    expect(await digestAt(`${host}/app:1`, "--tls-verify=false", `--authfile=${file}`)).toMatch(/^sha256:/);
    await world.ok(["logout", host], { env });
    expect((await push(`${host}/app:2`)).stderr).toMatch(/answered 401/);
  }, 300_000);

  test("with its own authority and clients' certificates", async () => {
    const [server, client] = [await certificate("server"), await certificate("client")];
    const { host } = await start({
      name: "tls",
      tls: { certificate: server.cert, key: server.key, clientcas: [client.cert] },
    });
    const unknown = await push(`${host}/app:1`);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toMatch(/certs\.d/);
    const folder = world.path("home/.docker/certs.d", host);
    mkdirSync(folder, { recursive: true });
    cpSync(server.cert, `${folder}/ca.crt`);
    expect((await push(`${host}/app:1`)).stderr).toMatch(/wants a certificate of yours: put it and its key/);
    cpSync(client.cert, `${folder}/me.cert`);
    cpSync(client.key, `${folder}/me.key`);
    const trusted = await push(`${host}/app:1`);
    expect(trusted.stderr).toMatch(/built/);
    expect(await digestAt(`${host}/app:1`, `--cert-dir=${folder}`)).toMatch(/^sha256:/);
  }, 300_000);

  test("with TLS that nobody knows: --insecure-registry", async () => {
    const { key, cert } = await certificate("self");
    const { host } = await start({ name: "self", tls: { certificate: cert, key } });
    const pushed = await push(`${host}/app:1`, "--insecure-registry", host);
    expect(pushed.stderr).toMatch(/built/);
    const output = `type=registry,name=${host}/other:1,registry.insecure=true`;
    await world.ok(["build", "-o", output, context], { env });
    expect(await digestAt(`${host}/other:1`, "--tls-verify=false")).toMatch(/^sha256:/);
  }, 300_000);

  describe("with tokens", () => {
    let tokens: TokenServer;
    let host: string;

    beforeAll(async () => {
      const { key, cert } = await certificate("tokens");
      const pem = readFileSync(cert, "utf8");
      const users = { me: "secret" };
      tokens = await startTokenServer({
        service: "registry",
        issuer: "tests",
        key: readFileSync(key, "utf8"),
        certificate: pem.replace(/-----[^-]+-----|\s/g, ""),
        users,
        allows: (user, repository) =>
          user === ""
            ? repository.startsWith("public/")
              ? ["pull"]
              : []
            : repository.startsWith("others/")
              ? []
              : ["pull", "push"],
      });
      const token = { realm: tokens.url, service: "registry", issuer: "tests", rootcertbundle: cert };
      ({ host } = await start({ name: "token", auth: { token } }));
    });
    afterAll(() => tokens.close());

    test.each([true, false])(
      "by POST: %s",
      async (takesPost) => {
        tokens.takesPost = takesPost;
        const login = await world.tsbuild(["login", "-u", "me", "--password-stdin", host], {
          env,
          input: "secret",
        });
        expect(login.stderr).toBe("");
        const pushed = await push(`${host}/public/app:${takesPost}`);
        expect(pushed.stderr).toMatch(/built/);
        expect(tokens.requests.at(-1)?.method).toBe(takesPost ? "POST" : "GET");
        // Another repository of the host mounts the layers instead of uploading them.
        const mounted = await push(`${host}/mounted/app:${takesPost}`);
        expect(mounted.stderr).toMatch(/built/);
      },
      60_000,
    );

    test("anybody pulls what is public", async () => {
      await world.ok(["logout", host], { env });
      const folder = world.context("public", {
        Dockerfile: `FROM ${host}/public/app:true\nCOPY f /g\n`,
        f: "x",
      });
      const state = { ...env, TSBUILD_ROOT: world.path("anonymous") };
      await world.ok(["build", folder], { env: state });
      expect(tokens.requests.at(-1)).toMatchObject({ user: "", scopes: ["repository:public/app:pull"] });
    });

    test("a repository of somebody else is an error that names the scope", async () => {
      await world.ok(["login", "-u", "me", "--password-stdin", host], { env, input: "secret" });
      const { code, stderr } = await push(`${host}/others/app:1`);
      expect(code).toBe(1);
      expect(stderr).toMatch(/others\/app.*40[13] .*repository:others\/app:pull,push/);
    });
  });
});
