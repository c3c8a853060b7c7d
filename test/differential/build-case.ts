import type { Random } from "../fuzz/support/random.ts";
import { BASE, type Case, operands } from "./case.ts";
import { ageContext, makeContext, pathsOf } from "./context.ts";
import { setting } from "./settings.ts";

/** What a line of a stage may refer to. */
interface Surroundings {
  readonly random: Random;
  readonly paths: readonly string[];
  /** Stages before this one. */
  readonly stages: readonly string[];
}

const DESTINATIONS = [
  ...[
    "/dst",
    "/dst/",
    "dst",
    "./",
    "dst/",
    "/",
    "/etc/",
    "/newd/deep/x",
    "/newd/deep/",
    "$D/",
    "${D}/q/",
    "/home",
  ],
  ...["/tmp/t", "/lnk/", "../up/", ".", "/dst/sub", "/dst/a"],
];
const WILDCARDS = [
  "*",
  "?",
  "*.txt",
  "s*",
  "*/a",
  "**/a",
  "l*/",
  "[a-c]*",
  "sub/*",
  "*/*",
  "./*",
  ".*",
  "/a",
  "sub/../lib",
];
const OF_A_STAGE = ["/etc", "/etc/passwd", "/bin/sh", "/home", "/etc/*", "/tmp", "/root", "/etc/group", "/"];
const OWNERS = ["1000", "1000:2000", "nobody", "nobody:nogroup", "0:0", ":7", "65534", "$U:3"];
const MODES = ["755", "0640", "4711", "u+x", "a-w", "go=r", "u=rwX,go=rX", "777", "1777", "+x"];
const EXCLUDED = ["*.txt", "a", "**/a", "sub", "*", "lib/*", "**/*.js"];

const SCRIPTS = [
  ...[
    "mkdir -p /r1/r2 && echo hi > /r1/r2/f",
    "rm -rf /dst",
    "mv /dst /dst2 || true",
    "ln -s /etc /lnk || true",
  ],
  ...["touch -d '2001-02-03 04:05:06' /old", "chmod 700 /home", "echo g > /etc/g2", "rm -rf /dst/* ; true"],
  ...[
    "echo $A-$B-$C > /env.txt",
    "pwd > /pwd",
    "id > /id",
    "mkdir -p $HOME/hh && touch $HOME/hh/x",
    "umask > /umask",
  ],
  ...["cp -a /dst /dst3 || true", "chown -R 1000:1000 /dst || true", "adduser -D -u 1234 joe || true"],
  ...["rm -rf /r1 && mkdir /r1 && touch /r1/n", "grep -e Cap -e NoNew -e Seccomp: /proc/self/status > /caps"],
  ...["ulimit -a > /ul", "hostname > /hn", "echo ${A:-none}${0} > /zero", "printf '%s\\n' a\\\n   b > /cont"],
  // Made before it is looked for: both sides of a pipe begin at once.
  "touch /find.txt; find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -print | sort > /find.txt || true",
];

function source({ random, paths }: Surroundings): string {
  if (random.chance(0.7)) return random.pick(paths);
  return random.chance(0.4) ? "." : random.pick(WILDCARDS);
}

function flags({ random, stages }: Surroundings, keyword: "COPY" | "ADD"): string[] {
  const some = (probability: number, make: () => string) => (random.chance(probability) ? [make()] : []);
  return [
    ...(keyword === "COPY" && stages.length > 0 ? some(0.35, () => `--from=${random.pick(stages)}`) : []),
    ...some(0.3, () => `--chown=${random.pick(OWNERS)}`),
    ...some(0.25, () => `--chmod=${random.pick(MODES)}`),
    ...some(0.2, () => "--link"),
    ...(keyword === "COPY" ? some(0.15, () => "--parents") : []),
    ...some(0.15, () => `--exclude=${random.pick(EXCLUDED)}`),
  ];
}

function transfer(around: Surroundings): string {
  const { random } = around;
  const keyword = random.chance(0.8) ? "COPY" : "ADD";
  const chosen = flags(around, keyword);
  const isFromStage = chosen.some((flag) => flag.startsWith("--from="));
  const archive = keyword === "ADD" && random.chance(0.4);
  const one = () => (isFromStage ? random.pick(OF_A_STAGE) : source(around));
  const sources = archive ? [random.pick(["arch.tar", "arch.tgz", "arch.t*"])] : random.many(1, 2, one);
  const target = random.pick(DESTINATIONS);
  const isFolder = sources.length === 1 || target.endsWith("/");
  return [keyword, ...chosen, operands(random, [...sources, isFolder ? target : `${target}/`])].join(" ");
}

function mounts({ random, stages }: Surroundings): string[] {
  if (random.chance(0.65)) return [];
  const from = stages.length > 0 && random.chance(0.4) ? `,from=${random.pick(stages)}` : "";
  return random.many(1, 2, () =>
    random.pick([
      `--mount=type=bind,target=/mnt/b${random.pick([",ro", ",rw", ""])}${from}`,
      `--mount=type=cache,target=/cc/x${random.pick(["", ",sharing=locked", ",id=k1", ",uid=1000,mode=0700"])}`,
      `--mount=type=tmpfs,target=/tt${random.pick(["", ",size=1m"])}`,
      "--mount=target=/mnt/c",
      "--network=none",
    ]),
  );
}

function run(around: Surroundings): string {
  const { random } = around;
  const script = random.pick(SCRIPTS);
  const head = ["RUN", ...mounts(around)].join(" ");
  if (random.chance(0.12))
    return `${head} <<EOF\n${random.pick(["", "#!/bin/sh\n", "set -e\n"])}${script}\nEOF`;
  return random.chance(0.12) ? `${head} ${JSON.stringify(["sh", "-c", script])}` : `${head} ${script}`;
}

function heredoc({ random }: Surroundings): string {
  const flag = random.pick(["", "--chmod=755 ", "--chown=1:2 "]);
  const body = random.pick([
    "<<EOF /hd1\nx $A\n${B:-q}\nEOF",
    '<<"EOF" /hd2\nx $A\nEOF',
    "<<-E1 <<E2 /hdd/\n\ttabbed\nE1\n  two\nE2",
  ]);
  return `COPY ${flag}${body}`;
}

function line(around: Surroundings, hasShell: boolean): string {
  const { random } = around;
  const kind = random.below(100);
  if (kind < 36) return transfer(around);
  if (kind < 60 && hasShell) return run(around);
  return kind < 66 ? heredoc(around) : setting(random);
}

function stage(around: Surroundings, name: string): string[] {
  const { random, stages } = around;
  const onStage = stages.length > 0 && random.chance(0.4);
  const from = onStage ? random.pick(stages) : random.chance(0.07) ? "scratch" : BASE;
  const first = random.chance(0.5)
    ? [random.pick(["ARG A", "ARG A=dflt", "ARG U=nobody", "ARG B", "ARG G"])]
    : [];
  const lines = random.many(2, 9, () => line(around, from !== "scratch"));
  return [`FROM ${from} AS ${name}`, "ARG D=/w", ...first, ...lines];
}

/** Whole Dockerfiles on a random context: all instructions and flags, and what one finds of another. */
export function buildCase(random: Random, folder: string): Case {
  makeContext(random, folder);
  const paths = pathsOf(folder);
  ageContext(random, folder);
  const stages: string[] = [];
  const lines = random.many(1, 3, () => {
    const name = `s${stages.length}`;
    const text = stage({ random, paths, stages: [...stages] }, name);
    stages.push(name);
    return text;
  });
  return {
    dockerfile: `${lines.flat().join("\n")}\n`,
    ignore: random.chance(0.25) ? random.many(1, 4, () => random.pick(EXCLUDED)).join("\n") : undefined,
    buildArgs: {
      ...(random.chance(0.4) ? { A: "cli val" } : {}),
      ...(random.chance(0.3) ? { U: "nobody" } : {}),
    },
  };
}
