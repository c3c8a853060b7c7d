import { TsbuildError } from "@tsbuild/base";
import { parse, parseInstructions } from "@tsbuild/dockerfile";
import { describe, expect, test } from "vitest";
import type { CompileRequest, ImageResolver } from "../src/api.ts";
import { check } from "../src/check.ts";
import { CannedImages } from "../src/debug/canned-images.ts";
import { requestOfOptions } from "../src/debug/request-options.ts";
import { CATALOGUE, ruleSlug } from "../src/lint/catalogue/index.ts";
import { NO_OPTIONS } from "../src/lint/check-options.ts";
import { Linter } from "../src/lint/linter.ts";
import { checkOwnRules } from "../src/lint/own/index.ts";
import { shellCommands } from "../src/lint/own/shell-commands.ts";
import { EXPERIMENTAL_RULES, rulePage } from "../src/lint/rules.ts";

const config = {
  os: "linux",
  architecture: "amd64",
  config: {},
  rootfs: { type: "layers" as const, diff_ids: [] },
};
const images = new CannedImages({ "*": { image: { ...config, history: [{ created_by: "x" }] } } });

function request(text: string, ignore?: string): CompileRequest {
  const file = ignore === undefined ? undefined : { file: ".dockerignore", text: ignore };
  return requestOfOptions({ file: "Dockerfile", text, ignore: file }, {});
}

async function rulesOf(text: string, resolver: ImageResolver = images): Promise<string[]> {
  const { diagnostics } = await check(request(text, "secrets\n"), resolver);
  return diagnostics.map(({ rule, message }) => rule ?? message);
}

/** `RULE line` of own rules. */
async function found(text: string): Promise<string[]> {
  const { diagnostics } = await check(request(text), images);
  return diagnostics.map(({ rule, ranges }) => `${rule} ${ranges[0]?.start}`);
}

describe("catalogue", () => {
  test("has all rules of BuildKit and our own, each once", () => {
    const names = CATALOGUE.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(CATALOGUE.filter(({ isOwn }) => !isOwn)).toHaveLength(22);
    expect(CATALOGUE.filter(({ experimental }) => experimental).map(({ name }) => name)).toEqual([
      ...EXPERIMENTAL_RULES,
    ]);
    expect(rulePage("JSONArgsRecommended")).toContain(`/${ruleSlug("JSONArgsRecommended")}/`);
  });

  test.each(CATALOGUE.map((rule) => [rule.name, rule] as const))(
    "%s: bad is bad and good is good",
    async (name, rule) => {
      expect(await rulesOf(rule.bad)).toContain(name);
      const good = await rulesOf(rule.good);
      expect(good).not.toContain(name);
      // Its own example must not be what another rule complains about, but for remarks.
      const others = CATALOGUE.filter(({ severity }) => severity !== "info").map((other) => other.name);
      expect(good.filter((other) => others.includes(other))).toEqual([]);
    },
  );
});

describe("own rules", () => {
  test("a directive and a comment silence them", async () => {
    const bad = "FROM a:1\nARG V\nRUN x\nRUN echo $V\n";
    expect(await found(bad)).toEqual(["ArgBeforeUse 2"]);
    expect(await found(`# check=skip=ArgBeforeUse\n${bad}`)).toEqual([]);
    expect(await found("FROM a:1\n# check=skip=ArgBeforeUse\nARG V\nRUN x\nRUN echo $V\n")).toEqual([]);
  });

  test.each([
    ["unused, or used at once", "ARG A\nARG B\nRUN echo $B\nRUN y", []],
    ["redeclared", "ARG A\nRUN x\nARG A=2\nRUN echo $A", []],
    ["a platform", "ARG TARGETARCH\nRUN x\nRUN echo $TARGETARCH", []],
    ["by its bare name", "ARG A\nRUN x\nRUN printenv A", ["ArgBeforeUse 2"]],
    ["in a heredoc", "ARG A\nRUN x\nRUN <<E\necho $A\nE", ["ArgBeforeUse 2"]],
    ["part of another name", "ARG A\nRUN x\nCOPY A $AB /", ["UndefinedVar 4"]],
  ])("ArgBeforeUse: %s", async (_, commands, expected) => {
    expect(await found(`FROM a:1\n${commands}\n`)).toEqual(expected);
  });

  test.each([
    ["set -ex", "RUN <<E\nset -ex\na\nb\nE", false],
    ["set -o errexit", "RUN <<E\nset -o errexit\na\nb\nE", false],
    ["a single command", "RUN <<E\na && \\\n b\nE", false],
    ["a shell that stops", "RUN bash -e <<E\na\nb\nE", false],
    ["a shell that does not", "RUN bash <<E\na\nb\nE", true],
    ["SHELL with -e", 'SHELL ["/bin/bash", "-ec"]\nRUN <<E\na\nb\nE', false],
    ["a shebang", "RUN <<E\n#!/bin/sh\na\nb\nE", true],
    ["a shebang with -e", "RUN <<E\n#!/bin/sh -e\na\nb\nE", false],
    ["another language", "RUN <<E\n#!/usr/bin/env python3\na\nb\nE", false],
    ["input of a program", "RUN python3 <<E\na\nb\nE", false],
  ])("HeredocWithoutErrexit: %s", async (_, commands, expected) => {
    const rules = await rulesOf(`FROM a:1\n${commands}\n`);
    expect(rules.includes("HeredocWithoutErrexit")).toBe(expected);
  });

  test.each([
    ["npm install of one package", "COPY . .\nRUN npm install -g x", []],
    ["pip with requirements", "COPY . /\nRUN pip install -r requirements.txt", ["CopyBeforeInstall 2"]],
    ["pip with names", "COPY . /\nRUN pip install x", []],
    ["from a stage", "COPY --from=a . .\nRUN npm ci", []],
    ["go", "COPY . .\nRUN go build ./... && go mod download", ["CopyBeforeInstall 2"]],
  ])("CopyBeforeInstall: %s", async (_, commands, expected) => {
    expect(await found(`FROM a:1\n${commands}\n`)).toEqual(expected);
  });

  test.each([
    ["--quiet twice", "apt-get install --quiet --quiet x", false],
    ["simulated", "apt-get install -s x", false],
    ["-qy", "apt-get -qy install x", false],
    ["--quiet once", "apt install --quiet x", true],
    ["a name in pieces", `a"pt"-get install x`, true],
  ])("AptWithoutYes: %s", async (_, command, expected) => {
    expect((await rulesOf(`FROM a:1\nRUN ${command}\n`)).includes("AptWithoutYes")).toBe(expected);
  });

  test("AptUpdateAlone: of several updates the one that an install builds on", async () => {
    const [update, install] = ["RUN apt-get update", "RUN apt-get install -y x"];
    const text = `FROM a:1\n# check=skip=AptListsKept\n${update}\n# check=skip=AptListsKept\n${update}\n${install}\n`;
    expect(await found(text)).toEqual(["AptUpdateAlone 5"]);
  });

  test("AptListsKept: only layers of the image", async () => {
    const update = "RUN apt-get update";
    const text = `FROM a:1 AS tools\n${update}\nFROM a:1 AS base\n${update}\nFROM base\nCOPY --from=tools /x /\n`;
    expect(await found(text)).toEqual(["AptListsKept 4"]);
  });

  /** How often own rules read a field of an instruction in a Dockerfile of `count` unused ARGs, each with two RUNs. */
  function readsOfFields(count: number): number {
    const lines = Array.from({ length: count }, (_, index) => `ARG A${index}\nRUN x\nRUN "$A${index}'\n`);
    const program = parseInstructions(parse(`FROM a:1\n${lines.join("")}`, { file: "" }));
    let reads = 0;
    const counted = <T extends object>(instruction: T): T =>
      new Proxy(instruction, {
        get: (target, name) => {
          reads += 1;
          return Reflect.get(target, name);
        },
      });
    const stages = program.stages.map(({ from, commands }) => ({ from, commands: commands.map(counted) }));
    const linter = new Linter(NO_OPTIONS);
    checkOwnRules({ ...program, stages }, linter);
    expect(linter.warnings()).toHaveLength(count);
    return reads;
  }

  test("own rules look at each instruction a fixed number of times", () => {
    expect(readsOfFields(2000)).toBeLessThanOrEqual(2 * readsOfFields(1000) + 100);
  });

  test("DeletedInLaterLayer follows WORKDIR and names of sources", async () => {
    expect(await found("FROM a:1\nWORKDIR /w\nCOPY x/a b ./\nRUN rm -f a other\n")).toEqual([
      "DeletedInLaterLayer 4",
    ]);
  });

  test("secrets are errors, and variables are none", async () => {
    const text = `FROM a:1\nRUN curl https://u:$P@x && echo ghp_${"a".repeat(36)}\n`;
    const { diagnostics } = await check(request(text), images);
    expect(diagnostics.map(({ rule, severity }) => [rule, severity])).toEqual([["SecretValue", "error"]]);
    expect(await found("FROM a:1\nRUN curl https://u:$P@x\n")).toEqual([]);
  });
});

describe("check", () => {
  const none: ImageResolver = {
    resolve: async (name) => {
      throw new TsbuildError("TSB_RESOLVE", `${name} is not there`);
    },
  };

  test("all errors of a file are reported together", async () => {
    const { diagnostics } = await check(request("FROM a\nRUM x\nCOPY y\nRUN z\n"), images);
    expect(diagnostics.map(({ severity, ranges }) => [severity, ranges[0]!.start])).toEqual([
      ["error", 2],
      ["error", 3],
    ]);
    expect(diagnostics[0]!.hint).toContain("RUN");
  });

  test("works without base images, and says so", async () => {
    const { diagnostics } = await check(request("FROM a:1\nCOPY $HOME /\nCMD x\n"), none);
    expect(diagnostics.map(({ severity, rule }) => [severity, rule])).toEqual([
      ["info", undefined],
      ["warning", "JSONArgsRecommended"],
    ]);
    expect(diagnostics[0]!.message).toContain("library/a:1 is not there");
  });

  test("check=error=true makes warnings errors", async () => {
    const { diagnostics } = await check(request("# check=error=true\nFROM a:1\nCMD x\n"), images);
    expect(diagnostics.map(({ severity, rule }) => [severity, rule])).toEqual([
      ["error", "JSONArgsRecommended"],
    ]);
  });

  test("warnings come with an error of the compilation; own rules can be off", async () => {
    const text = "FROM a\nCMD x\nCOPY --from=$X y z\n";
    const { diagnostics } = await check(request(text), images, { ownRules: false });
    expect(diagnostics.map(({ severity }) => severity)).toContain("error");
    expect((await check(request("FROM a\n"), images, { ownRules: false })).diagnostics).toEqual([]);
  });
});

test("commands of a shell text", () => {
  const words = (text: string) => shellCommands(text).map((command) => command.words.join(" "));
  expect(words('a \'b && c\' && X=1 sudo d\\\n e; # f\n(g | h) || "i \\"j" # k')).toEqual([
    "a b && c",
    "d e",
    "g",
    "h",
    'i "j',
  ]);
  expect(shellCommands("a | b").map(({ isPiped }) => isPiped)).toEqual([true, false]);
});

test("a whole command in one string is found in every JSON form, but not in what an ENTRYPOINT gets", async () => {
  const body = (lines: string): string => `FROM debian:bookworm\n${lines}\n`;
  expect(await found(body('RUN ["make all"]'))).toEqual(["CommandInOneString 2"]);
  expect(await found(body('ENTRYPOINT ["tini -- app"]'))).toEqual(["CommandInOneString 2"]);
  expect(await found(body('HEALTHCHECK CMD ["curl -f localhost"]'))).toEqual(["CommandInOneString 2"]);
  expect(await found(body('ENTRYPOINT ["sh", "-c"]\nCMD ["make all"]'))).toEqual([]);
  expect(await found(body('CMD ["app", "two words"]\nHEALTHCHECK NONE'))).toEqual([]);
});

test("an ARG or ENV with the name of a secret of the build is found, however harmless the name", async () => {
  const text = "FROM debian:bookworm\nARG netrc\nENV other=1\n";
  const { diagnostics } = await check({ ...request(text), secretNames: ["netrc"] }, images);
  expect(diagnostics.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([
    'SecretsUsedInArgOrEnv: ARG "netrc" has the name of a secret of this build: use RUN --mount=type=secret,id=netrc',
  ]);
  expect(await found(text)).toEqual([]);
});

test("what was meant as a JSON array is found, a test of the shell is not", async () => {
  const rules = async (line: string): Promise<string[]> => {
    const all = await found(`FROM debian:bookworm\n${line}\n`);
    return all.filter((one) => one.startsWith("JsonFormMistake"));
  };
  for (const line of [
    "CMD ['a', 'b']",
    'CMD ["a" "b"]',
    'RUN --network=none ["a", "b"',
    "COPY ['a b', '/c']",
    'VOLUME ["/a", /b]',
    "HEALTHCHECK --retries=2 CMD ['a']",
    "ENTRYPOINT [ “a”, “b” ]",
  ])
    expect(await rules(line), line).toEqual(["JsonFormMistake 2"]);
  for (const line of [
    'RUN [ "$a" = b ] && c',
    "RUN [[ -f a ]] || b",
    'RUN ["a", "b"]',
    'HEALTHCHECK CMD ["a"]',
    "COPY [a]* /",
  ])
    expect(await rules(line), line).toEqual([]);
});
