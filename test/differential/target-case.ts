import { linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Member, tarOf } from "../e2e/tar.ts";
import type { Random } from "../fuzz/support/random.ts";
import { BASE, type Case } from "./case.ts";
import { ageContext } from "./context.ts";

/** What lies at and on the way to a destination. */
const PLACES = [
  ...[
    "mkdir -p /t/dir/sub",
    "ln -s dir /t/ld",
    "ln -s /t/dir /t/la",
    "ln -s ../../../t/dir /t/lu",
    "ln -s file /t/lf",
  ],
  ...[
    "echo f > /t/file",
    "ln -s nowhere /t/dang",
    "ln -s /t/abs/nowhere /t/danga",
    "echo x > /t/dir/a",
    "mkfifo /t/ff",
  ],
  ...[
    "ln -s loop2 /t/loop1; ln -s loop1 /t/loop2",
    "mkdir -m 700 /t/priv; chown 5:6 /t/priv",
    "ln -s .. /t/dir/up",
  ],
  ...["ln -s /t/ld/sub /t/chain", "mkdir -m 1777 /t/sticky", "ln -s /etc/passwd /t/pw"],
];
const TARGETS = [
  ...[
    "/t/ld",
    "/t/la/",
    "/t/lu/x",
    "/t/lf",
    "/t/dang",
    "/t/danga",
    "/t/dang/",
    "/t/loop1",
    "/t/dir",
    "/t/dir/",
    "/t/file",
  ],
  ...[
    "/t/file/",
    "/t/priv/",
    "/t/ff",
    "/t/dir/up/w",
    "/t/chain/",
    "/t/chain",
    "/t/sticky",
    "/t/pw",
    "/t/new/x/",
  ],
  ...["/t/priv/n/m/", "/t", "/", "/t/ld/../q", "/t/dir/sub/../../z"],
];
const SOURCES = [
  "a",
  "dir",
  "dir/",
  "f m.txt",
  "dir sub",
  "*.txt",
  "la",
  "ldir",
  "file",
  "empty",
  "dir/*",
  "one",
  ".",
];
const WITH_PARENTS = [
  ...[
    "dir/./sub/b",
    "one/./two",
    "one/two",
    "./one/two/g",
    "*/a",
    "**/b",
    "one/**/f",
    "dir/*",
    "dir",
    "a",
    "one/./**",
  ],
  "o?e/two/./three/f",
];
const FILES = [
  "a",
  "f",
  "dir/a",
  "dir/sub/b",
  "dir/x.log",
  "sub/deep/q",
  "file/inner",
  "one/two/three/f",
  "one/two/g",
];
const MEMBERS: readonly Member[] = [
  { name: "dir/", type: "folder", mode: 0o755 },
  ...["dir/new", "ld/x", "file", "lf", "la/y", "./dot", "sub", "dang", "priv/p", "up/u", "pw"].map((name) => {
    return { name, data: "abc" };
  }),
  { name: "lnk", type: "symlink", target: "dir" },
];

function fill(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  for (const path of [...FILES, "m.txt", "n.txt"]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), `content of ${path}`);
  }
  mkdirSync(join(folder, "empty"));
  symlinkSync("a", join(folder, "la"));
  symlinkSync("dir", join(folder, "ldir"));
  symlinkSync("../a", join(folder, "dir/rel"));
  linkSync(join(folder, "dir/a"), join(folder, "dir/hard"));
}

function transfer(random: Random): string {
  const flags = [
    ...(random.chance(0.3) ? ["--link"] : []),
    ...(random.chance(0.2) ? [`--chown=${random.pick(["1:2", "3"])}`] : []),
    ...(random.chance(0.2) ? [`--chmod=${random.pick(["700", "u+w", "4755"])}`] : []),
  ];
  const target = random.pick(TARGETS);
  const kind = random.below(10);
  if (kind < 2) return ["ADD", ...flags, "x.tar", target].join(" ");
  if (kind < 4) return ["COPY --parents", ...flags, random.pick(WITH_PARENTS), target].join(" ");
  const source = random.pick(SOURCES);
  const isFolder = !source.includes(" ") || target.endsWith("/");
  return ["COPY", ...flags, source, isFolder ? target : `${target}/`].join(" ");
}

/** Destinations that are links, files, missing or not to be entered, for files, folders and archives. */
export function targetCase(random: Random, folder: string): Case {
  fill(folder);
  writeFileSync(join(folder, "x.tar"), tarOf(random.many(1, 6, () => random.pick(MEMBERS))));
  ageContext(random, folder);
  const places = PLACES.filter(() => random.chance(0.7)).map((script) => `(${script})`);
  const lines = [
    `FROM ${BASE}`,
    `RUN mkdir /t; ${["true", ...places].join("; ")}; true`,
    ...random.many(1, 4, () => transfer(random)),
    "RUN find /t -printf '%p %y %m %U:%G %l\\n' | sort > /find.txt; cat /etc/passwd /t/file /t/lf >> /find.txt 2>&1; true",
  ];
  return { dockerfile: `${lines.join("\n")}\n`, buildArgs: {} };
}
