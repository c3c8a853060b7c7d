import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";

let socket = "";
let servers = 0;
const hasTmux = spawnSync("tmux", ["-V"]).status === 0;
if (!hasTmux) console.warn("skipped: the live view on a real terminal (tmux is not installed)");

function tmux(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("tmux", ["-L", socket, ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** The lines on the screen, or with the scrollback. */
function screen(scrollback = false): string {
  return tmux("capture-pane", "-p", ...(scrollback ? ["-S", "-200"] : [])).trimEnd();
}

/** The screen alone, once it is as wished. */
async function seen(wished: (now: string) => boolean): Promise<string> {
  for (let tries = 0; tries < 600; tries++) {
    const now = screen();
    if (wished(now)) return now;
    await sleep(100);
  }
  throw new Error(`never as wished:\n${screen()}`);
}

async function until(text: string): Promise<string> {
  for (let tries = 0; tries < 600; tries++) {
    if (screen(true).includes(text)) return screen(true);
    await sleep(100);
  }
  throw new Error(`never on the screen: ${text}\n${screen(true)}`);
}

describe.skipIf(!hasTmux)("the live view on a real terminal", () => {
  const play = join(import.meta.dirname, "play.ts");

  function start(outcome: "ok" | "fail", columns: number, rows: number): void {
    // A server of its own: one that is being killed still answers on its socket for a moment.
    servers += 1;
    socket = `tsbuild-${process.pid}-${servers}`;
    const size = ["-x", String(columns), "-y", String(rows)];
    const command = `LANG=C.UTF-8 ${process.execPath} ${play} ${outcome} tty; echo "the end: $?"; exec cat`;
    tmux("-f", "/dev/null", "-u", "new-session", "-d", ...size, command);
  }
  afterEach(() => spawnSync("tmux", ["-L", socket, "kill-server"]));

  test("fits the screen, follows its size, and leaves each step once", async () => {
    start("ok", 70, 16);
    const live = await seen((now) => now.includes("[+] Building") && now.includes("│ line"));
    expect(live.match(/\[\+\] Building \d+\.\ds \(\d+\/12\)/g)?.length).toBe(1);
    tmux("resize-window", "-x", "60", "-y", "12");
    await seen((now) => now.split("\n").length <= 12 && now.includes("│ line"));
    const left = await until("the end: 0");
    expect(left.match(/\[\+\] Built in \d+\.\ds: 3 cached, 9 rebuilt/g)?.length).toBe(1);
    expect(left).toMatch(/\n {4}named app:latest\nthe end: 0$/);
    for (let number = 1; number <= 12; number++) {
      // The terminal itself breaks lines that were written when it was wider.
      expect(left, `step ${number}`).toMatch(
        new RegExp(`^ [=✓] \\[${number}/12\\] RUN[^[]* (cached|\\d\\.\\ds)$`, "m"),
      );
    }
    expect(tmux("display-message", "-p", "#{cursor_flag}").trim()).toBe("1");
  });

  test("a failure ends with the output, the place and the sentence", async () => {
    start("fail", 80, 24);
    const left = await until("the end: 0");
    const end = left.slice(left.indexOf("\n------\n > [12/12]"));
    expect(end.replace(/^\d\.\d{3} /gm, "T ").replace(/in \d+\.\ds/, "in T")).toBe(`
------
 > [12/12] RUN make target-11:
${Array.from({ length: 8 }, (_, line) => `T line ${line} of step 11 日本語`).join("\n")}
------
[+] Failed in T: 3 cached, 8 rebuilt, 1 failed
Dockerfile:2
--------------------
   1 |     FROM a
   2 | >>> RUN make
   3 |     CMD x
--------------------
ERROR: process "/bin/sh -c make" failed: exit code 2
the end: 0`);
  });
});
