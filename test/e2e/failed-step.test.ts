/** Looking into a step that failed (B026, C034, W002), on real terminals. */
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, main, missing, ociRuntime, World } from "./world.ts";

const reason = missing("busybox", "tar", "tmux", "ssh-keygen");
if (reason !== undefined) console.log(`skipped: shells in failed steps: ${reason}`);

const STEP =
  "RUN --mount=type=cache,target=/cache --mount=type=bind,source=f,target=/ctx/f echo kept > /made && echo cached > /cache/c && exit 3";
const DOCKERFILE = `FROM busybox
ENV GREET=hello
RUN mkdir -m 777 /work
WORKDIR /work
USER alice
COPY f /work/
USER root
${STEP}
`;
const QUESTIONS = "cat /made /cache/c /ctx/f; echo $GREET-$(pwd)-$(id -u); touch /added";

describe.skipIf(reason !== undefined)("a failed step", () => {
  const world = new World();
  let context: string;
  let socket = "";
  let servers = 0;

  function endServer(): void {
    if (socket !== "") spawnSync("tmux", ["-L", socket, "kill-server"]);
    socket = "";
  }

  function tmux(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("tmux", ["-L", socket, ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`tmux ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  const screen = (): string => tmux("capture-pane", "-p", "-J", "-S", "-200");

  async function until(text: string): Promise<string> {
    for (let tries = 0; tries < 600; tries++) {
      if (screen().includes(text)) return screen();
      await sleep(100);
    }
    throw new Error(`never on the screen: ${text}\n${screen()}`);
  }

  /** Starts tsbuild on a terminal of its own and waits for the prompt of a shell. */
  async function startShell(...args: string[]): Promise<void> {
    startOnTerminal(...args);
    await until("/work # ");
  }

  function startOnTerminal(...args: string[]): void {
    endServer();
    servers += 1;
    socket = `tsbuild-failed-${process.pid}-${servers}`;
    const env = Object.entries({ ...world.env, TSBUILD_ROOT: world.root, LANG: "C.UTF-8" });
    const words = env.map(([key, value]) => `${key}=${value}`);
    const command = [...world.identity(), "env", ...words, process.execPath, main, ...args];
    const line = `${command.map((word) => `'${word}'`).join(" ")}; echo "the end: $?"; exec cat`;
    tmux("-f", "/dev/null", "-u", "new-session", "-d", "-x", "160", "-y", "50", line);
  }

  /** Types a line. `answer` must not be what the terminal echoes of it: `ask""ed` is typed where `asked` is waited for. */
  async function type(text: string, answer: string): Promise<string> {
    tmux("send-keys", text, "Enter");
    return until(answer);
  }

  beforeAll(async () => {
    await importBusybox(world);
    context = world.context("failing", { Dockerfile: DOCKERFILE, f: "from the context\n" });
  });
  afterEach(endServer);
  afterAll(() => world.close());

  test("opens a shell with its files, mounts, environment, folder and user; the build fails as ever", async () => {
    await startShell("build", "--on-fail=shell", context);
    const before = screen();
    expect(before).toMatch(/again: +\/bin\/sh -c 'echo kept/);
    expect(before).toMatch(/^ERROR: process .* did not complete successfully: exit code: 3$/m);
    expect(before).toContain(`>>> ${STEP}`);
    const answers = await type(QUESTIONS, "hello-/work-0");
    expect(answers).toMatch(/^kept\ncached\nfrom the context\nhello-\/work-0$/m);
    /* The terminal's shell, too, is started by whom this run is for (see exec.test.ts). */
    const first = await type(`echo pid $$ ans""wers`, "answers\n");
    expect(/^pid 1 answers$/m.test(first)).toBe(ociRuntime() !== undefined);
    const end = await type("exit 9", "the end: 1");
    expect(end.match(/^ERROR: /gm)).toHaveLength(1);
  });

  test("can be entered later, by its name or as the last, and what was written in a shell is gone", async () => {
    await startShell("shell", "echo kept");
    const answers = await type(`${QUESTIONS}; ls /`, "hello-/work-0");
    expect(answers).toMatch(/^kept\ncached\nfrom the context\nhello-/m);
    expect(answers).not.toContain("added\n");
    await type("exit 9", "the end: 9");
  });

  test("its state before", async () => {
    await startShell("shell", "--before");
    expect(await type('ls /made; echo ask""ed', "asked\n")).toContain("/made: No such file");
    await type("exit", "the end:");
  });

  test("shows the context as it is now, and says what of it is gone", async () => {
    const file = join(context, "f");
    writeFileSync(file, "edited\n");
    await startShell("shell");
    expect(await type('cat /ctx/f; echo no > /ctx/f; echo ask""ed', "asked\n")).toContain("\nedited\n");
    await type("exit", "the end:");
    expect(readFileSync(file, "utf8")).toBe("edited\n");
    rmSync(file);
    await startShell("shell");
    expect(screen()).toMatch(/^ {2}not mounted: \/ctx\/f: "\/?f" of \/\S+ is gone$/m);
    expect(await type('cat /made; echo ask""ed', "asked\n")).toContain("kept\n");
    await type("exit", "the end:");
    writeFileSync(file, "from the context\n");
  });

  test("outlives a prune, and goes with its build's record", async () => {
    expect((await world.tsbuild(["prune", "--force"])).code).toBe(0);
    await startShell("shell", "^0");
    expect(await type('cat /made; echo ask""ed', "asked\n")).toContain("kept\n");
    await type("exit", "the end:");
    const other = world.context("pruned", { Dockerfile: "FROM busybox\nRUN echo > /lost && exit 4\n" });
    await world.tsbuild(["build", other]);
    expect((await world.tsbuild(["prune", "--all", "--force"])).code).toBe(0);
    startOnTerminal("shell", "echo > /lost");
    const said = await until("the end: 125");
    expect(said).toMatch(/^ERROR: the files of \[2\/2\] RUN echo > \/lost && exit 4 were pruned$/m);
    expect(said).toContain("build again");
    expect((await world.tsbuild(["history", "rm", "--all"])).code).toBe(0);
    startOnTerminal("shell");
    expect(await until("the end: 125")).toContain("no failed step is remembered");
  });

  test("any other step of a recorded build, after and before it, with the secrets that are given", async () => {
    const steps = [
      "FROM busybox",
      "WORKDIR /work",
      "RUN --mount=type=secret,id=key echo one > /one",
      "RUN echo two > /two",
    ];
    const other = world.context("recorded", { Dockerfile: `${steps.join("\n")}\n`, key: "opened" });
    const secret = ["--secret", `id=key,src=${join(other, "key")}`];
    expect((await world.tsbuild(["build", ...secret, other])).code).toBe(0);
    expect((await world.tsbuild(["build", ...secret, other])).code).toBe(0);
    await startShell("shell", ...secret, "^0", "echo one");
    const after = await type('cat /run/secrets/key /one; echo; ls /two; echo ask""ed', "asked\n");
    expect(after).toMatch(/^openedone$/m);
    expect(after).toContain("/two: No such file");
    await type("exit 6", "the end: 6");
    await startShell("shell", "--before", "^1");
    expect(await type('ls /one /two /run/secrets/key; echo ask""ed', "asked\n")).toMatch(
      /\/two: No such file[\s\S]*\/run\/secrets\/key: No such file[\s\S]*\/one/,
    );
    await type("exit", "the end:");
  });

  test("of an image without a shell: says so, and --debug-tools brings one", async () => {
    const files = { Dockerfile: 'FROM scratch\nCOPY f /only\nRUN ["/nothing"]\n', f: "a file" };
    const bare = world.context("bare", files);
    expect((await world.tsbuild(["build", bare])).code).toBe(1);
    startOnTerminal("shell");
    const said = await until("the end: 125");
    expect(said).toContain("ERROR: the image of the step has no shell");
    expect(said).toContain("--debug-tools busybox brings one along");
    startOnTerminal("shell", "--debug-tools", "busybox");
    await until("/ # ");
    const answer = await type('cat /only; touch /.tsbuild-tools/x; ls -a /; echo ask""ed', "asked\n");
    expect(answer).toMatch(/a file[\s\S]*Read-only file system/);
    await type("exit 5", "the end: 5");
    const tools = world.context("tools", { sh: "#!/bin/sh\n" });
    startOnTerminal("shell", "--debug-tools", tools);
    expect(await until("the end: 125")).toContain("sh is no static program");
  });

  test("forwards the agent that is given, and says which is not", async () => {
    const step = "RUN --mount=type=ssh,id=git test -S $SSH_AUTH_SOCK && echo $SSH_AUTH_SOCK > /socket";
    const agents = world.context("agents", { Dockerfile: `FROM busybox\n${step}\n` });
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(agents, "key")]);
    const ssh = ["--ssh", `git=${join(agents, "key")}`];
    expect((await world.tsbuild(["build", ...ssh, agents])).code).toBe(0);
    startOnTerminal("shell", ...ssh, "^0");
    await until("/ # ");
    const answer = await type('test -S $(cat /socket) && echo there; echo ask""ed', "asked\n");
    expect(answer).toContain("there\nasked");
    await type("exit", "the end:");
    startOnTerminal("shell", "^0");
    await until("/ # ");
    expect(screen()).toMatch(/^ {2}not mounted: \S+: give --ssh git$/m);
    await type("exit", "the end:");
  });

  test("is no use without a terminal, and says so before anything is built", async () => {
    const { code, stderr } = await world.tsbuild(["build", "--on-fail=shell", context]);
    expect(code).toBe(2);
    expect(stderr).toContain("--on-fail=shell needs a terminal");
    expect(stderr).not.toContain("exit code: 3");
  });

  test("that nobody asked about costs the build nothing but its message", async () => {
    const { code, stderr } = await world.tsbuild(["build", context]);
    expect(code).toBe(1);
    expect(stderr).toContain("exit code: 3");
  });
});
