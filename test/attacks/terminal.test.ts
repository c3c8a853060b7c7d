/** Steps on a terminal, and builds on one: what is typed there is the user's alone (TIOCSTI, TIOCLINUX, CVE-2017-5226). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main } from "../e2e/world.ts";
import { AttackWorld, compileProgram, RUNTIMES, skipReason } from "./support/attack.ts";

const reason = skipReason("terminal.test.ts", "cc", "script", "bash");

/** What of `typed` the program put into the line that somebody reads next. */
function typedInto(screen: string): string | undefined {
  return /^read:(.*):$/m.exec(screen)?.[1];
}

/** Devices (st_dev) of the terminals that the program found: of its three streams and of /dev/console, where it is one. */
function devicesOn(screen: string): number[] {
  return [...screen.matchAll(/^(?:stdin|stdout|stderr|console) (\d+)$/gm)].map(([, device]) =>
    Number(device),
  );
}

describe.skipIf(reason !== undefined)("a terminal", () => {
  const world = new AttackWorld();
  beforeAll(async () => {
    await world.start();
    compileProgram("terminal", world.path("terminal"));
    const folder = world.context("terminal-image", {
      Dockerfile: "FROM busybox\nCOPY --chmod=755 terminal /terminal\nENTRYPOINT []\n",
      terminal: readFileSync(world.path("terminal")),
    });
    await world.build(folder, "-t", "terminal");
  });
  afterAll(() => world.close());

  /** Runs a command on a terminal of its own, reads a line of it afterwards, and returns the screen. */
  async function screenOf(command: string): Promise<string> {
    const tsbuild = `${process.execPath} --disable-warning=ExperimentalWarning ${main}`;
    const line = `${command}; echo "status $?"; line=; read -t 1 line; echo; echo "read:$line:"`;
    const child = spawn("script", ["-qec", line, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...world.env, TSBUILD_ROOT: world.root, TSBUILD: tsbuild, SHELL: "/bin/bash" },
    });
    const chunks: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(child, "close");
    return Buffer.concat(chunks).toString("utf8").replaceAll("\r", "");
  }

  // Fails when the kernel refuses everybody: then the tests below would prove nothing.
  test("canary: a program on the user's own terminal types into it", async () => {
    const screen = await screenOf(`${world.path("terminal")} without-console`);
    expect(typedInto(screen)).toBe("injected");
    expect(new Set(devicesOn(screen))).toEqual(new Set([statSync("/dev/pts").dev]));
  });

  describe.each(RUNTIMES)("in the %s sandbox", (_name, flags) => {
    // Fails when `run -it` hands on the caller's terminal, as its streams, /dev/console or /dev/tty, instead of one of the step's own devpts.
    test("given to a command is its own, by every name; it types into no other", async () => {
      const screen = await screenOf(`$TSBUILD run -it ${flags.join(" ")} terminal /terminal`);
      expect(screen).toContain("status 0");
      expect(typedInto(screen)).toBe("");
      const devices = devicesOn(screen);
      expect(devices).toHaveLength(4);
      expect(new Set(devices).size).toBe(1);
      expect(devices).not.toContain(statSync("/dev/pts").dev);
      expect(screen).toMatch(/^controlling yes$/m);
    });

    // Fails when the shell that people open in what a stranger's Dockerfile made is on their own terminal.
    test("of a shell in a failed step, at once and later, is that shell's own", async () => {
      const folder = world.context("fails-on-a-terminal", { Dockerfile: "FROM terminal\nRUN exit 3\n" });
      const words = `${flags.join(" ")} --shell /terminal`;
      for (const [command, status] of [
        [`$TSBUILD build --no-cache --progress=plain --on-fail=shell ${words} ${folder}`, 1],
        [`$TSBUILD shell ${words}`, 0],
      ] as const) {
        const screen = await screenOf(command);
        expect(screen).toContain(`status ${status}`);
        expect(typedInto(screen)).toBe("");
        const devices = devicesOn(screen);
        expect(devices).toHaveLength(4);
        expect(devices).not.toContain(statSync("/dev/pts").dev);
        expect(screen).toMatch(/^controlling yes$/m);
      }
    });

    // Fails when a step inherits a stream of the builder or its controlling terminal (no setsid), or when there is a console in it.
    test("of the builder is none of its steps': not as a stream, nor /dev/tty, nor /dev/console", async () => {
      const folder = world.context("on-a-terminal", { Dockerfile: "FROM terminal\nRUN /terminal; true\n" });
      const build = `$TSBUILD build --no-cache --progress=plain ${flags.join(" ")} ${folder}`;
      const screen = await screenOf(build);
      expect(screen).toContain("status 0");
      expect(typedInto(screen)).toBe("");
      expect(screen).toMatch(/^#\d+ [\d.]+ controlling no$/m);
      expect(screen).not.toMatch(/(?:stdin|stdout|stderr|console) \d+$/m);
    });
  });
});
