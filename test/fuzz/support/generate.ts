import type { Random } from "./random.ts";

/** Whole Dockerfiles out of the language's own pieces: mostly valid, each piece sometimes not. */
export function generateDockerfile(random: Random): string {
  const lineEnd = random.chance(0.1) ? "\r\n" : "\n";
  const mark = random.chance(0.1) ? "`" : "\\";
  const head = [
    ...(random.chance(0.05) ? ["\ufeff"] : []),
    ...(random.chance(0.1) ? ["", "  "] : []),
    ...(random.chance(0.2) ? [`#${random.pick(["", " "])}syntax=docker/dockerfile:1`] : []),
    ...(mark === "`" || random.chance(0.05) ? [`# escape=${mark}`] : []),
    ...(random.chance(0.1) ? ["# check=skip=all"] : []),
  ];
  const body = random.many(1, 12, () => line(random, mark));
  const lines = [...head, ...(random.chance(0.9) ? [from(random)] : []), ...body];
  return lines.join("\n").replaceAll("\n", lineEnd) + (random.chance(0.8) ? lineEnd : "");
}

function line(random: Random, mark: string): string {
  if (random.chance(0.15)) return random.pick(["", "   ", "# comment", "  # indented", "#", "# a=b"]);
  const text = random.pick([
    from,
    run,
    run,
    copy,
    copy,
    pairs,
    json,
    setting,
    onbuild,
    healthcheck,
    nonsense,
  ])(random);
  return breakLines(random.chance(0.2) ? recase(text, random) : text, random, mark);
}

/** Continues lines at some blanks, and sometimes within words. */
function breakLines(text: string, random: Random, mark: string): string {
  if (text.includes("<<")) return text;
  const between = () =>
    random.pick(["", "  ", "\t", "    ", "# c\n  ", "\n", "\n\n# d\n", `${mark}\n`, "  # e\n"]);
  return text
    .replaceAll(" ", () => {
      if (random.chance(0.1)) return ` ${mark}${random.pick(["", " ", "\t"])}\n${between()}`;
      return random.chance(0.1) ? "   " : " ";
    })
    .replaceAll(/(?<=\w)(?=\w)/g, () => (random.chance(0.01) ? `${mark}\n` : ""));
}

function recase(text: string, random: Random): string {
  return text.replace(/^\w+/, (keyword) =>
    [...keyword].map((letter) => (random.chance(0.5) ? letter.toLowerCase() : letter)).join(""),
  );
}

function from(random: Random): string {
  const base = random.pick(["scratch", "debian", "debian:stable", "a", "b", "$V", "${V:-x}", "a@sha256:1"]);
  const name = random.pick(["", "", " AS a", " as b", " AS C", " AS 1", " extra"]);
  return `FROM ${random.pick(["", "", "--platform=$BUILDPLATFORM ", "--platfrom=x "])}${base}${name}`;
}

/** A word of any kind of quoting, expansion and oddity. */
function word(random: Random, depth = 0): string {
  const nested = () => (depth > 3 ? "x" : word(random, depth + 1));
  return random.pick([
    () =>
      random.pick([
        "a",
        "file.txt",
        "/dst/",
        "./x",
        "*.c",
        "a-b",
        "é",
        "\u00a0",
        "\u{1f600}",
        "1",
        "--",
        "-",
      ]),
    () => `"${nested()} ${nested()}"`,
    () => `'${random.pick(["a b", "$V", '"'])}'`,
    () => `$${random.pick(["V", "PATH", "1", "@", "", "{V}", "{", "{V"])}`,
    () => `\${V${random.pick([":-", "-", ":+", "+", ":?", "?", "#", "##", "%", "/", "//"])}${nested()}}`,
    () => `\\${nested()}`,
    () => nested() + nested(),
    () => random.pick(["<<E", "<", '"', "'", "[", "]", "\\", "`", "#", "=", ",", "\0", "\ufffd", "\u2028"]),
  ])();
}

function words(random: Random, max: number): string {
  return random.many(1, max, () => word(random)).join(" ");
}

function run(random: Random): string {
  const flag = () =>
    random.pick([
      "--mount=type=cache,target=/c",
      "--mount=type=bind,from=a,source=/,target=/m",
      "--mount=type=secret,id=s,required",
      '--mount="type=tmpfs,target=/t,size=1m"',
      "--mount=tpye=ssh",
      "--network=none",
      "--security=insecure",
      "--device=a=b,required",
      `--mount=${word(random)}`,
      "--",
    ]);
  const flags = random
    .many(0, 2, flag)
    .map((text) => `${text} `)
    .join("");
  return random.chance(0.3)
    ? heredoc(random, `RUN ${flags}`, random.pick(["", " sh"]))
    : `RUN ${flags}${words(random, 4)}`;
}

function heredoc(random: Random, before: string, after: string): string {
  const name = random.pick(["EOF", "E1", "a.b"]);
  const mark = `<<${random.pick(["", "-"])}${random.pick([name, `"${name}"`, `'${name}'`])}`;
  const body = random.many(0, 3, () => random.pick(["x", "\tx", "$V", "  ", "# c", "RUN y", "\\", "<<EOF"]));
  const end = random.chance(0.9) ? [random.pick([name, `\t${name}`])] : [];
  return [`${before}${mark}${after}`, ...body, ...end].join("\n");
}

function copy(random: Random): string {
  const keyword = random.pick(["COPY", "ADD"]);
  const flag = random.pick([
    "",
    "",
    "--from=a ",
    "--from=0 ",
    "--link --chmod=755 ",
    '--chown="a b" ',
    "--exclude=*.o --exclude=x ",
    "--parents ",
    "--keep-git-dir=true ",
    "--checksum=sha256:1 ",
    "--form=a ",
  ]);
  return random.chance(0.2)
    ? heredoc(random, `${keyword} ${flag}`, " /dst/")
    : `${keyword} ${flag}${words(random, 3)} /dst`;
}

function pairs(random: Random): string {
  const keyword = random.pick(["ENV", "LABEL", "ARG"]);
  if (random.chance(0.2)) return `${keyword} V ${words(random, 3)}`;
  return `${keyword} ${random.many(1, 4, () => `${random.pick(["V", "W", "x.y", ""])}=${word(random)}`).join(" ")}`;
}

function json(random: Random): string {
  const item = () => random.pick(['"a"', '"b c"', '"\\n"', '"\\u00e9"', '"["', "1", "'x'", '""', '"$V"']);
  const keyword = random.pick(["CMD", "ENTRYPOINT", "SHELL", "RUN", "VOLUME", "COPY"]);
  const end = random.pick(["]", "]", "]", "] ", "] x", ""]);
  return `${keyword} ${random.pick(["[", "[ ", " ["])}${random.many(0, 3, item).join(random.pick([",", ", ", " , "]))}${end}`;
}

function setting(random: Random): string {
  const keyword = random.pick(["WORKDIR", "USER", "EXPOSE", "VOLUME", "STOPSIGNAL", "MAINTAINER", "CMD"]);
  return `${keyword}${random.pick([" ", "  ", "\t", ""])}${random.chance(0.3) ? "80/tcp" : words(random, 2)}`;
}

function onbuild(random: Random): string {
  return `ONBUILD ${random.pick([run, copy, pairs, setting, onbuild, from])(random)}`;
}

function healthcheck(random: Random): string {
  const flag = random.pick(["", "--interval=5s ", "--retries=x ", "--timeout=1ms --start-period=1m "]);
  return `HEALTHCHECK ${flag}${random.pick(["NONE", "CMD true", 'cmd ["a"]', "CMD", "CDM x", ""])}`;
}

function nonsense(random: Random): string {
  return `${random.pick(["RUNN", "form", "//", "{", "", "\0", "éa", "--x"])} ${words(random, 2)}`;
}
