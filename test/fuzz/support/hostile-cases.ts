/** Shapes of Dockerfiles that small slips in a reader or compiler make quadratic, or worse. */

export interface HostileCase {
  readonly name: string;
  /** Half of the size that is tried in the end. */
  readonly n: number;
  readonly text: (n: number) => string;
  /** How it may end, if not well. */
  readonly end?: RegExp;
  /** The frontend is tried as well. */
  readonly compiles?: true;
}

const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => `${line(index)}\n`).join("");

const words = (count: number, word: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => word(index)).join(" ");

/** The result itself is of quadratic size or worse: it is given up at a limit. */
const TOO_LARGE = /more than 64 MiB|longer than 16 MiB/;

export const CASES: readonly HostileCase[] = [
  {
    name: "a Dockerfile of 5 MB",
    n: 70_000,
    text: (n) => `FROM x\n${lines(n, (i) => `RUN echo ${i} and some more`)}`,
  },
  {
    name: "100,000 continuation lines",
    n: 50_000,
    compiles: true,
    text: (n) => `FROM x\nRUN a${" \\\n  # c\n b".repeat(n)}\n`,
  },
  { name: "100,000 lines of ENV", n: 50_000, text: (n) => `FROM x\nENV a=b${" \\\n c=d".repeat(n)}\n` },
  {
    name: "10,000 stages",
    n: 5000,
    compiles: true,
    text: (n) => lines(n, (i) => `FROM x AS s${i}\nRUN a`),
  },
  {
    name: "10,000 stages, each on the one before",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x AS s0\n${lines(n, (i) => `FROM s${i} AS s${i + 1}\nRUN a${i}`)}`,
  },
  {
    name: "10,000 stages, each copying from the one before",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x AS s0\n${lines(n, (i) => `FROM x AS s${i + 1}\nCOPY --from=s${i} /a /b`)}`,
  },
  {
    name: "substitutions nested 10,000 deep",
    n: 5000,
    compiles: true,
    end: /nested more than 100 deep/,
    text: (n) => `FROM x\nENV a=${"${a:-".repeat(n)}${"}".repeat(n)}\n`,
  },
  {
    name: "100,000 flags",
    n: 50_000,
    compiles: true,
    text: (n) => `FROM x\nRUN ${"--mount=type=tmpfs,target=/x ".repeat(n)}a\n`,
  },
  {
    name: "an array of 400,000 strings",
    n: 200_000,
    compiles: true,
    text: (n) => `FROM x\nCMD [${'"a",'.repeat(n)}"b"]\n`,
  },
  {
    name: "arrays nested 200,000 deep",
    n: 100_000,
    compiles: true,
    end: /strings only/,
    text: (n) => `FROM x\nCMD ${"[".repeat(n)}${"]".repeat(n)}\n`,
  },
  {
    name: "40,000 variables",
    n: 20_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `ENV a${i}=b`)}`,
  },
  { name: "40,000 heredocs", n: 20_000, text: (n) => `FROM x\n${"RUN <<EOF\na\nEOF\n".repeat(n)}` },
  {
    name: "20,000 heredocs of one instruction",
    n: 10_000,
    text: (n) =>
      `FROM x\nCOPY ${lines(n, (i) => `<<E${i} \\`)} /\n${lines(n, (i) => `E${i}`)}`.replaceAll(
        "\\\n /",
        "/",
      ),
  },
  {
    name: "heredocs without an end",
    n: 50_000,
    end: /not terminated/,
    text: (n) => `FROM x\n${"RUN <<EOF\n".repeat(n)}`,
  },
  {
    name: "an open quote in a mount",
    n: 100_000,
    compiles: true,
    end: /out of place/,
    text: (n) => `FROM x\nRUN --mount='"${"ab".repeat(n)}' a\n`,
  },
  { name: "40,000 errors", n: 20_000, end: /no instruction/, text: (n) => `FROM x\n${"RNU a\n".repeat(n)}` },
  {
    name: "pairs of ENV and RUN",
    n: 2000,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `FROM x\n${lines(n, (i) => `ENV a${i}=b\nRUN echo ${i}`)}`,
  },
  {
    name: "pairs of ARG and RUN",
    n: 2000,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `FROM x\n${lines(n, (i) => `ARG a${i}=b\nRUN echo ${i}`)}`,
  },
  {
    name: "a variable that doubles",
    n: 50,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `FROM x\nENV a=b\n${lines(n, () => "ENV a=$a$a")}`,
  },
  {
    name: "an ARG that doubles",
    n: 50,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `ARG a=b\n${lines(n, () => "ARG a=$a$a")}FROM x\n`,
  },
  {
    name: "a variable that grows",
    n: 8000,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `FROM x\nENV a=b\n${lines(n, () => "ENV a=$a:x")}`,
  },
  {
    name: "patterns on a long value",
    n: 200,
    compiles: true,
    end: TOO_LARGE,
    text: (n) =>
      `FROM x\nENV a=${"a".repeat(9000)} p=${"?".repeat(2000)}b\n${lines(n, () => "ENV b=${a##$p}")}`,
  },
  {
    name: "replacements that grow",
    n: 20,
    compiles: true,
    end: /longer than|more than 64 MiB/,
    text: (n) => `FROM x\nENV a=aaaaaaaaaa\n${lines(n, () => "ENV a=${a//a/$a}")}`,
  },
  {
    name: "relative WORKDIRs",
    n: 3000,
    compiles: true,
    end: /path of 4096 bytes or more/,
    text: (n) => `FROM x\n${"WORKDIR a\n".repeat(n)}`,
  },
  {
    name: "20,000 sources of one COPY",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\nCOPY ${words(n, (i) => `a${i}`)} /d/\n`,
  },
  {
    name: "20,000 sources of one COPY --link --from",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x AS y\nFROM x\nCOPY --link --from=y ${words(n, (i) => `a${i}`)} /d/\n`,
  },
  {
    name: "10,000 COPY --link",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `COPY --link a${i} /d/`)}`,
  },
  {
    name: "20,000 excludes",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\nCOPY ${words(n, (i) => `--exclude=a${i}`)} a /d/\n`,
  },
  {
    name: "4,000 URLs of one ADD",
    n: 2000,
    compiles: true,
    text: (n) => `FROM x\nADD ${words(n, (i) => `http://e.com/a${i}`)} /d/\n`,
  },
  {
    name: "20,000 LABELs",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `LABEL a${i}=b`)}`,
  },
  {
    name: "20,000 EXPOSEs",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `EXPOSE ${i + 1}`)}`,
  },
  {
    name: "20,000 VOLUMEs",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `VOLUME /a${i}`)}`,
  },
  {
    name: "triggers of one base",
    n: 4000,
    compiles: true,
    text: (n) => `FROM x AS b\n${lines(n, (i) => `ONBUILD RUN a${i}`)}FROM b\n`,
  },
  {
    name: "triggers of one base in many stages",
    n: 200,
    compiles: true,
    end: TOO_LARGE,
    text: (n) =>
      `FROM x AS b\n${lines(n, (i) => `ONBUILD RUN a${i}`)}${lines(n, (i) => `FROM b AS c${i}`)}FROM x\n${lines(n, (i) => `COPY --from=c${i} /a /b`)}`,
  },
  {
    name: "stages on each other that set variables",
    n: 2000,
    compiles: true,
    end: TOO_LARGE,
    text: (n) => `FROM x AS s0\n${lines(n, (i) => `FROM s${i} AS s${i + 1}\nENV a${i}=1\nLABEL b${i}=1`)}`,
  },
  {
    name: "10,000 aliases in other letters",
    n: 5000,
    compiles: true,
    text: (n) =>
      `${lines(n, (i) => `FROM x AS S${i}\nRUN a`)}FROM x\n${lines(n, (i) => `COPY --from=s${i} /a /b`)}`,
  },
  {
    name: "4,000 images that stages copy from",
    n: 2000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `COPY --from=img${i} /a /b`)}`,
  },
  {
    name: "10,000 mounts of one RUN",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x\nRUN ${words(n, (i) => `--mount=type=cache,target=/x${i}`)} a\n`,
  },
  {
    name: "10,000 secrets of one RUN",
    n: 5000,
    compiles: true,
    text: (n) => `FROM x\nRUN ${words(n, (i) => `--mount=type=secret,id=a${i},env=X${i}`)} a\n`,
  },
  {
    name: "20,000 lines of check=skip",
    n: 10_000,
    compiles: true,
    text: (n) => `FROM x\n${lines(n, (i) => `# check=skip=Rule${i}`)}RUN a\n`,
  },
  {
    name: "long lists of check=skip",
    n: 5000,
    compiles: true,
    text: (n) =>
      `# check=skip=${Array.from({ length: n }, (_, i) => `R${i}`).join(",")}\nFROM x\n${lines(n, (i) => `# check=skip=LegacyKeyValueFormat\nENV a $b${i}`)}`,
  },
  {
    name: "unknown variables with many similar names",
    n: 1500,
    compiles: true,
    text: (n) =>
      `FROM x\n${lines(n, (i) => `ARG ${"a".repeat(50)}${i}=b`)}${lines(n, (i) => `LABEL c=$${"a".repeat(50)}_${i}`)}`,
  },
];
