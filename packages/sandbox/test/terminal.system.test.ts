import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { becomes, processesWith } from "./support/processes.ts";
import { missingForSystemTests, type OverlayRoot, TestRoots } from "./support/rootfs.ts";

const missing = missingForSystemTests() ?? (existsSync("/usr/bin/script") ? undefined : "no /usr/bin/script");
if (missing !== undefined) console.warn(`tests of terminals skipped: ${missing}`);

const runOne = fileURLToPath(new URL("support/run-one.ts", import.meta.url));

/** A shell command on a terminal of its own, in which `$STEP …` runs a command in a sandbox with a terminal. */
class Terminal {
  text = "";
  readonly #script: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(root: OverlayRoot, command: string) {
    const env = { ...process.env, STEP: `${process.execPath} ${runOne} terminal` };
    this.#script = spawn("script", ["-qec", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "inherit", root.fd],
      env,
    });
    this.#script.stdout?.on("data", (chunk: Buffer) => {
      this.text += chunk.toString();
    });
    this.#ended = once(this.#script, "close");
  }

  /** Types what is given for each text, once that is on the screen; resolves with the screen at the end. */
  async talk(...answers: readonly (readonly [string, string])[]): Promise<string> {
    for (const [seen, typed] of answers) {
      await this.shows(seen);
      this.#script.stdin?.write(typed);
    }
    await this.#ended;
    return this.text;
  }

  async shows(text: string): Promise<void> {
    if (!(await becomes(() => this.text.includes(text)))) throw new Error(`no ${text} in: ${this.text}`);
  }
}

describe.skipIf(missing !== undefined)("a step with a terminal", () => {
  let roots: TestRoots;
  let root: OverlayRoot;
  beforeAll(async () => {
    roots = new TestRoots();
    roots.addProgram("push-key");
    root = await roots.open();
  });
  afterAll(() => {
    root.close();
    roots.remove();
  });

  test("reads from it, ends with its status, and gives the caller's back as it was", async () => {
    const inside = "test -t 0 -a -t 1 -a -t 2 && echo a terminal; read line; echo got $line; exit 5";
    const command = `stty -g; $STEP sh -c '${inside}'; echo status $?; stty -g; read line; echo then $line`;
    const screen = await new Terminal(root, command).talk(["a terminal", "one\n"], ["status 5", "two\n"]);
    expect(screen).toMatch(/a terminal\r\n[\s\S]*got one\r\n[\s\S]*status 5\r\n[\s\S]*then two\r\n/);
    const [before, after] = screen.match(/^[0-9a-f]+(:[0-9a-f]+){10,}\r$/gm) ?? [];
    expect(before).toBeDefined();
    expect(after).toBe(before);
  });

  test("Ctrl-C, Ctrl-Z and Ctrl-D are for what runs in it", async () => {
    const inside =
      'trap "echo int" INT; trap "echo stop" TSTP; echo ready; while read line; do :; done; exit 4';
    const screen = await new Terminal(root, `$STEP sh -c '${inside}'; echo status $?`).talk(
      ["ready", "\x03\n"],
      ["int", "\x1a\n"],
      ["stop", "\x04"],
    );
    expect(screen).toMatch(/status 4\r\n$/);
  });

  test("has the caller's size from its start, a console, and a controlling terminal", async () => {
    const inside = "stty size; echo by console >/dev/console; echo by tty >/dev/tty; ls /dev/pts";
    const screen = await new Terminal(root, `stty rows 33 cols 77; $STEP sh -c '${inside}'`).talk();
    expect(screen.replaceAll("\r", "")).toBe(
      "33 77\nby console\nby tty\n0\nptmx\n".replace("0\nptmx", "0     ptmx"),
    );
  });

  test("has no way to type into the caller's: every terminal that it can reach is of its own devpts", async () => {
    const screen = await new Terminal(
      root,
      "$STEP push-key; echo status $?; read -t 1 line; echo typed:$line:",
    ).talk();
    expect(screen).toContain("status 0");
    expect(screen).toMatch(/typed::/);
    const devices = [...screen.matchAll(/<(\d+)>/g)].map(([, device]) => Number(device));
    expect(devices).toHaveLength(4);
    expect(new Set(devices).size).toBe(1);
    expect(devices[0]).not.toBe(statSync("/dev/pts").dev);
  });

  test("kill -9 of the builder restores the caller's and ends the step", async () => {
    const command = "stty -g; ($STEP sh -c 'echo up; sleep 47.25'); sleep 0.5; stty -g";
    const terminal = new Terminal(root, command);
    await terminal.shows("up");
    const commands = processesWith("echo up; sleep 47.25");
    const builders = processesWith(runOne).filter((pid) => commands.includes(pid));
    expect(builders).toHaveLength(1);
    process.kill(Number(builders[0]), "SIGKILL");
    const screen = await terminal.talk();
    const [before, after] = screen.match(/^[0-9a-f]+(:[0-9a-f]+){10,}\r$/gm) ?? [];
    expect(after).toBe(before);
    expect(processesWith("47.25")).toEqual([]);
  });
});
