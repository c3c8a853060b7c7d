/** Files of a step that failed (W023). */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: outputs of failed steps: ${reason}`);

const DOCKERFILE = `FROM busybox
RUN mkdir -p /app/reports/sub && echo earlier > /app/earlier && ln -s /app/reports /link
RUN cd /app/reports && echo bad > unit.xml && echo deep > sub/e2e.xml && chown 1234:1234 unit.xml && chmod 4711 unit.xml && \\
  ln -s /etc/shadow secret && ln -s ../../up sub/../out && ln -s sub/../../x crooked && ln -s ./sub/e2e.xml inner && ln -s ../../../../../../../../etc/shadow /up && rm /app/earlier && exit 7
`;

describe.skipIf(reason !== undefined)("--output-on-fail", () => {
  const world = new World();
  let context: string;
  let out: string;
  let count = 0;

  const failed = (...specs: string[]) =>
    world.tsbuild(["build", ...specs.flatMap((spec) => ["--output-on-fail", spec]), context]);

  beforeAll(async () => {
    await importBusybox(world);
    context = world.context("failing", { Dockerfile: DOCKERFILE });
    out = world.context("out", { kept: "here before" });
  });
  afterAll(() => world.close());

  const fresh = (): string => join(out, String(++count));

  test("copies folders and files of the step that failed, which fails as ever", async () => {
    const dest = fresh();
    const { code, stderr } = await failed(
      `dest=${dest},path=/app/reports`,
      `dest=${dest}/file,path=/link/sub/e2e.xml`,
      `dest=${dest}/none,path=/app/earlier`,
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/ERROR: process .* did not complete successfully: exit code: 7/);
    expect(stderr).toContain(`tsbuild: /app/reports of the failed step was copied to ${dest}\n`);
    expect(stderr).toContain("tsbuild: the failed step left nothing at /app/earlier");
    expect(readFileSync(join(dest, "unit.xml"), "utf8")).toBe("bad\n");
    expect(readFileSync(join(dest, "sub/e2e.xml"), "utf8")).toBe("deep\n");
    expect(readdirSync(join(dest, "file"))).toEqual(["e2e.xml"]);
    const { uid, mode } = statSync(join(dest, "unit.xml"));
    expect({ uid, mode: mode & 0o7777 }).toEqual({ uid: statSync(out).uid, mode: 0o711 });
    const { stdout } = await world.tsbuild(["logs"]);
    expect(stdout).toContain("was copied to");
  });

  test("reads no link out of the step's filesystem, and writes through none", async () => {
    const dest = fresh();
    mkdirSync(dest);
    const { stderr } = await failed(
      `dest=${dest},path=/app/reports`,
      `dest=${dest},path=/up`,
      `dest=${dest},path=/app/../../../app/reports/unit.xml`,
    );
    expect(readdirSync(dest).sort()).toEqual(["inner", "sub", "unit.xml"]);
    expect(readlinkSync(join(dest, "inner"))).toBe("./sub/e2e.xml");
    expect(stderr).toContain("left nothing at /up");
    expect(readFileSync(join(dest, "unit.xml"), "utf8")).toBe("bad\n");
    const victim = join(out, "kept");
    symlinkSync(victim, join(dest, "kept"));
    const trap = world.context("trap", {
      Dockerfile: `FROM busybox\nRUN mkdir /r && ln -s ${victim} /r/kept && echo evil > /kept && exit 1\n`,
    });
    const traps = [`dest=${dest},path=/r`, `dest=${dest},path=/kept`];
    await world.tsbuild(["build", ...traps.flatMap((spec) => ["--output-on-fail", spec]), trap]);
    expect(readFileSync(victim, "utf8")).toBe("here before");
    expect(lstatSync(join(dest, "kept")).isFile()).toBe(true);
  });

  test("a target that cannot be written does not hide why the step failed", async () => {
    const dest = fresh();
    writeFileSync(dest, "a file");
    const { code, stderr } = await failed(`dest=${dest},path=/app/reports`);
    expect(code).toBe(1);
    expect(stderr).toContain("was not copied to");
    expect(stderr).toContain("exit code: 7");
  });

  test("wrong words are told before anything is built, and a build that succeeds copies nothing", async () => {
    for (const [spec, said] of [
      ["path=/x", "dest= is missing"],
      ["dest=x,pth=/x", "did you mean path=?"],
      ["dest=x,path=x", "with /"],
    ] as const) {
      const { code, stderr } = await failed(spec);
      expect({ code, said: stderr.includes(said) }, spec).toEqual({ code: 2, said: true });
    }
    const dest = fresh();
    const good = world.context("good", { Dockerfile: "FROM busybox\nRUN echo > /x\n" });
    const spec = ["--output-on-fail", `dest=${dest},path=/x`];
    expect((await world.tsbuild(["build", ...spec, good])).code).toBe(0);
    expect(readdirSync(out)).not.toContain(String(count));
  });
});
