/** What builds are given in confidence, and who tries to read it back. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AttackWorld, skipReason } from "./support/attack.ts";

const reason = skipReason("secrets.test.ts");
const SECRET = "s3cr3t-of-the-attack";
/** Another one: the first is in the layer of a canary. */
const TOLD = "t0ld-in-confidence";

/** Files below a folder that hold a text. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => {
    const path = join(folder, name);
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true && readFileSync(path).includes(text);
  });
}

describe.skipIf(reason !== undefined)("secrets", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  // Fails when a value is in a layer, a mount point's file, the environment of PID 1, a log, or the record of a build.
  test("are not there for steps that do not mount them, nor after the step that does", async () => {
    writeFileSync(world.path("secret"), SECRET);
    const look =
      "cat /run/secrets/* /proc/[0-9]*/environ /s 2> /dev/null | tr '\\0' '\\n' | grep -c s3cr3t; find / -xdev -type f -size -64k -exec grep -l s3cr3t-o {} + 2> /dev/null; true";
    const { code, log } = await world.attempt(
      [
        "FROM busybox",
        'RUN --mount=type=secret,id=s --mount=type=secret,id=s,target=/s --mount=type=secret,id=s,env=S cat /run/secrets/s /s; echo $S; test -n "$S"',
        `RUN ${look}`,
      ],
      [`--secret=id=s,src=${world.path("secret")}`, "--metadata-file", world.path("metadata")],
      { env: { ALSO: SECRET } },
    );
    expect(code, log).toBe(0);
    expect(log).not.toContain(SECRET);
    expect(log).toMatch(/^#\d+ [\d.]+ 0$/m);
    await world.settled();
    expect(filesWith(world.root, SECRET)).toEqual([]);
    // Canary: a step that writes the value down puts it into its layer, where this search finds it.
    await world.attempt(
      ["FROM busybox", "RUN --mount=type=secret,id=s cp /run/secrets/s /kept"],
      [`--secret=id=s,src=${world.path("secret")}`],
    );
    await world.settled();
    expect(filesWith(world.root, SECRET).length).toBeGreaterThan(0);
  });

  /*
   * Fails when a value is masked on the terminal alone: rawjson carries output in base64, a record has it in files of its own, claims are made of the
   * graph, and a stack trace prints what an error holds. Names of secrets may be told, values not.
   */
  test("are in nothing that a build tells of itself: rawjson, metadata, provenance, record, explanation, plan", async () => {
    writeFileSync(world.path("secret"), TOLD);
    const step = [
      "RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=E",
      "cat /run/secrets/s; echo; echo $E >&2; /no/such/$E; test -n $E",
    ].join(" ");
    const folder = world.context("tells", { Dockerfile: `FROM busybox\n${step}\nRUN exit 9\n` });
    const env = { VALUE: `${TOLD}-of-env` };
    const given = [
      "--no-cache",
      `--secret=id=s,src=${world.path("secret")}`,
      "--secret=id=e,env=VALUE",
      "--debug",
    ];
    const told: Record<string, string> = {};
    const run = async (name: string, ...args: readonly string[]): Promise<void> => {
      const { stdout, stderr } = await world.tsbuild(args, { env });
      told[name] = stdout + stderr;
    };
    await run("the failed build", "build", "--progress=rawjson", ...given, folder);
    for (const mode of ["min", "max"]) {
      writeFileSync(join(folder, "Dockerfile"), `FROM busybox\n${step}\nLABEL mode=${mode}\n`);
      const out = `type=oci,tar=false,dest=${world.path(mode)}`;
      const claims = [`--provenance=mode=${mode}`, `--metadata-file=${world.path(`${mode}.json`)}`];
      await run(
        `the build with ${mode}`,
        "build",
        "--progress=rawjson",
        ...given,
        ...claims,
        "-o",
        out,
        folder,
      );
      told[`metadata with ${mode}`] = readFileSync(world.path(`${mode}.json`), "utf8");
      expect(filesWith(world.path(mode), TOLD)).toEqual([]);
      // Canary: what is told of the step is there.
      expect(filesWith(world.path(mode), "/no/such/").length > 0, mode).toBe(true);
    }
    for (const format of ["json", "trace"])
      await run(`history as ${format}`, "history", "export", "--format", format);
    await run("logs", "history", "logs");
    await run("explanation", "explain", "--format=json");
    for (const format of ["plan", "spec", "oci", "json"])
      await run(`debug plan as ${format}`, "debug", "plan", `--format=${format}`, folder);
    for (const [name, text] of Object.entries(told)) {
      const decoded = [...text.matchAll(/"data":"([\w+/=]*)"/g)].map(([, data = ""]) =>
        Buffer.from(data, "base64").toString("utf8"),
      );
      expect(text.length, name).toBeGreaterThan(20);
      expect(text, name).not.toContain(TOLD);
      expect(decoded.join(""), name).not.toContain(TOLD);
      if (name.startsWith("the ")) expect(decoded.join(""), name).toMatch(/\*\*\*.*not found/s);
    }
    expect(told["debug plan as spec"]).toContain("E=<secret e>");
    await world.settled();
    expect(filesWith(world.root, TOLD)).toEqual([]);
  });

  // Fails when messages of errors are printed without the masks of the output.
  test("stay out of a failed build's message and its record", async () => {
    const { log } = await world.attempt(
      ["FROM busybox", 'RUN --mount=type=secret,id=f,env=F cat "/no/$F"; exit 7'],
      ["--secret=id=f,env=F"],
      { env: { F: "failing-s3cr3t-value" } },
    );
    expect(log).toMatch(/exit code: 7/);
    expect(log).not.toContain("failing-s3cr3t-value");
  });

  // Fails when the folders are made with the umask's mode.
  test("the state folder is its owner's alone, also below one that is open to all (no other user reads blobs)", async () => {
    const open = world.path("open");
    mkdirSync(open, { mode: 0o777 });
    await world.ok([
      "build",
      "--root",
      open,
      world.context("scratch", { Dockerfile: "FROM scratch\nCOPY Dockerfile /\n" }),
    ]);
    const [base = ""] = readdirSync(open).filter((name) => /^v\d+$/.test(name));
    expect(statSync(join(open, base)).mode & 0o777).toBe(0o700);
    expect(statSync(world.root).mode & 0o077).toBe(0);
  });
});
