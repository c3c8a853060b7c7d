import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, main, missing, run, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end secrets: ${reason}`);

const VALUE = "hunter2-horse-battery";

/** Files of a folder that hold the text. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .filter((path) => readFileSync(path).includes(text));
}

describe.skipIf(reason !== undefined)("secrets", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  async function build(name: string, lines: readonly string[], ...flags: string[]) {
    const folder = world.context(name, {
      Dockerfile: ["FROM busybox", ...lines].join("\n"),
      secret: `${VALUE}\n`,
    });
    return world.tsbuild(["build", "--progress=plain", ...flags, folder], {
      cwd: folder,
      env: { TOKEN: VALUE },
    });
  }

  test("as a file and as a variable, with owner and mode (D080)", async () => {
    const { code, stderr } = await build(
      "file",
      [
        "RUN --mount=type=secret,id=secret wc -c < /run/secrets/secret && stat -c '%a %u %g' /run/secrets/secret",
        "RUN --mount=type=secret,id=secret,target=/etc/mine,uid=3,gid=4,mode=440 stat -c '%a %u %g' /etc/mine; touch /etc/mine || echo fixed",
        "ENV KEY=recorded",
        "RUN --mount=type=secret,id=TOKEN,env=KEY echo length ${#KEY}; ls /run/secrets || echo no file",
        "RUN --mount=type=secret,id=TOKEN,env=KEY,target=/both test $KEY = $(cat /both) && echo both",
        "RUN --mount=type=secret,id=none cat /run/secrets/none || echo absent",
        "RUN ls -A /run /etc/mine /both; echo $KEY",
      ],
      "--no-cache",
      "--secret=id=secret",
      "--secret=id=TOKEN",
    );
    expect(stderr).toContain("22\n");
    expect(stderr).toContain("400 0 0");
    expect(stderr).toContain("440 3 4");
    expect(stderr).toContain("fixed");
    expect(stderr).toContain("length 21");
    expect(stderr).toContain("no file");
    expect(stderr).toContain("both\n");
    expect(stderr).toContain("absent");
    expect(stderr).toContain("recorded");
    expect(stderr).not.toContain("secrets\n#");
    expect(code).toBe(0);
  });

  test("no value in output, image, history or state folder (W011)", async () => {
    const { code, stderr } = await build(
      "leak",
      [
        "RUN --mount=type=secret,id=secret cat /run/secrets/secret; for c in $(sed 's/./& /g' /run/secrets/secret); do printf %s $c; sleep 0.01; done; echo",
        "RUN --mount=type=secret,id=secret cat /run/secrets/secret >&2; head -c 9 /run/secrets/secret; exit 3",
      ],
      "--secret=id=secret",
      "-t",
      "leak",
    );
    expect(code).toBe(1);
    expect(stderr).toContain("****");
    expect(stderr).toContain(VALUE.slice(0, 9));
    expect(stderr).not.toContain(VALUE);
    await world.settled();
    expect(filesWith(world.root, VALUE)).toEqual([]);
  });

  test("a required one that is not given; a file that is not there; also a build argument", async () => {
    const absent = await build("absent", ["RUN --mount=type=secret,id=nope,required true"]);
    expect(absent.code).toBe(2);
    expect(absent.stderr).toContain('needs the secret "nope"');
    expect(absent.stderr).toContain("--secret id=nope,src=FILE");
    const file = await build("no-file", ["RUN true"], "--secret=id=gone");
    expect(file.stderr).toContain('the secret "gone": gone cannot be read (ENOENT)');
    const both = await build("both", ["RUN true"], "--secret=id=TOKEN", "--build-arg=TOKEN");
    expect(both.stderr).toContain("TOKEN is given as a secret and as a build argument");
  });

  test("another value changes nothing, unless it is to (W010)", async () => {
    const line = "RUN --mount=type=secret,id=s cat /proc/sys/kernel/random/uuid";
    const again = (src: string, more = "") => build("again", [line], `--secret=id=s,src=${src}${more}`);
    await again("secret");
    expect((await again("Dockerfile")).stderr).toMatch(/RUN[^\n]*\n#\d+ CACHED/);
    expect((await again("secret", ",invalidate=true")).stderr).not.toMatch(/RUN[^\n]*\n#\d+ CACHED/);
    expect((await again("secret", ",invalidate=true")).stderr).toMatch(/RUN[^\n]*\n#\d+ CACHED/);
    expect((await again("Dockerfile", ",invalidate=true")).stderr).not.toMatch(/RUN[^\n]*\n#\d+ CACHED/);
    expect(statSync(join(world.root, "secret-fingerprint-key")).mode & 0o777).toBe(0o600);
  });

  test("what RUN may not have is refused before anything runs (C021)", async () => {
    const insecure = await build("insecure", ["RUN echo first", "RUN --security=insecure echo in"]);
    expect([insecure.code, insecure.stderr]).toEqual([
      1,
      expect.stringContaining("--allow security.insecure"),
    ]);
    expect(insecure.stderr).not.toContain("#1");
    const host = ["RUN --network=host echo with host"];
    expect((await build("host", host)).stderr).toContain("--allow network.host");
    expect((await build("host", host, "--allow=network.host")).code).toBe(0);
    expect((await build("host", host, "--network=host")).code).toBe(0);
  });

  test("a device is missed by name: by the build, or by the log of the first step that can do without (D088)", async () => {
    const flag = "--device=vendor.com/class=name";
    const without = await build("device", [`RUN ${flag} echo one`, `RUN ${flag} echo two`]);
    expect(without.code, without.stderr).toBe(0);
    expect(
      without.stderr.match(/ tsbuild: steps run without the device vendor\.com\/class=name/g),
    ).toHaveLength(1);
    const needed = await build("needed", [`RUN ${flag},required true`]);
    expect(needed.code).toBe(1);
    expect(needed.stderr).toContain("the device vendor.com/class=name cannot be given to a command");
  });
});

const noSsh = missing("busybox", "tar", "ssh-agent", "ssh-add", "ssh-keygen");
if (noSsh !== undefined) console.log(`skipped: end-to-end ssh: ${noSsh}`);

describe.skipIf(noSsh !== undefined)("ssh", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  test("keys and agents of several ids; none may be changed (D081)", async () => {
    const folder = world.context("ssh", { Dockerfile: "" });
    const keygen = (...args: string[]) => spawnSync("ssh-keygen", args, { encoding: "utf8" });
    for (const type of ["ed25519", "rsa", "ecdsa"])
      keygen("-q", "-t", type, "-N", "", "-f", join(folder, type));
    keygen("-q", "-t", "ed25519", "-N", "passphrase", "-f", join(folder, "locked"));
    const bash = `set -e
      eval $(ssh-agent -s) > /dev/null; trap 'kill $SSH_AGENT_PID' EXIT; ssh-add -q ed25519
      "$@"`;
    const dockerfile = [
      "FROM busybox",
      "RUN --mount=type=ssh stat -c '%a %u %g %F' $SSH_AUTH_SOCK; echo at $SSH_AUTH_SOCK",
      "RUN --mount=type=ssh,id=keys,uid=5,gid=6,mode=660,target=/s stat -c '%a %u %g' /s; ls /run/buildkit || echo none",
      "RUN --mount=type=ssh,id=none echo $SSH_AUTH_SOCK; ls $SSH_AUTH_SOCK || echo no socket",
    ];
    const context = world.context("ssh", { Dockerfile: dockerfile.join("\n") });
    const keys = ["ed25519", "rsa", "ecdsa"].map((name) => join(context, name)).join(",");
    const flags = ["build", "--progress=plain", "--no-cache", "--ssh=default", `--ssh=keys=${keys}`, context];
    const program = ["--disable-warning=ExperimentalWarning", main];
    const { code, stderr } = await run("bash", ["-c", bash, "bash", process.execPath, ...program, ...flags], {
      cwd: context,
      env: { ...world.env, TSBUILD_ROOT: world.root },
    });
    expect(stderr).toContain("600 0 0 socket");
    expect(stderr).toContain("at /run/buildkit/ssh_agent.0");
    expect(stderr).toContain("660 5 6");
    expect(stderr).toContain("no socket");
    expect(code).toBe(0);
    const locked = await world.tsbuild(
      ["build", "--no-cache", `--ssh=default=${join(context, "locked")}`, context],
      {},
    );
    expect(locked.stderr).toContain("it is protected by a passphrase");
  });
});
