import { TsbuildError } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { buildSpec } from "../src/flags/build-spec.ts";
import { commandSpecs, runSpec } from "../src/flags/commands.ts";
import { parseFlags } from "../src/flags/parse.ts";
import { globalFlags } from "../src/flags/spec.ts";

function usageError(spec: typeof buildSpec, args: string[]): string {
  try {
    parseFlags(spec, args);
  } catch (error) {
    if (error instanceof TsbuildError && error.code === "TSB_USAGE")
      return `${error.message} / ${error.hint}`;
    throw error;
  }
  return "no error";
}

describe("flag spellings of Docker", () => {
  test.each([
    [["--tag", "a", "."]],
    [["--tag=a", "."]],
    [["-t", "a", "."]],
    [["-ta", "."]],
    [["-t=a", "."]],
    [[".", "-t", "a"]],
    [["-qt", "a", "."]],
    [["-qta", "."]],
  ])("%j", (args) => {
    const flags = parseFlags(buildSpec, args);
    expect(flags.all("tag")).toEqual(["a"]);
    expect(flags.operands).toEqual(["."]);
  });

  test("a repeated flag keeps every value, a single one the last", () => {
    const flags = parseFlags(buildSpec, ["-t", "a", "-t", "b", "--target", "x", "--target", "y", "."]);
    expect(flags.all("tag")).toEqual(["a", "b"]);
    expect(flags.last("target")).toBe("y");
  });

  test("switches are on, off again, and absent", () => {
    expect(parseFlags(buildSpec, ["--no-cache"]).isOn("no-cache")).toBe(true);
    expect(parseFlags(buildSpec, ["--no-cache", "--no-cache=false"]).isOn("no-cache")).toBe(false);
    expect(parseFlags(buildSpec, ["-q=1"]).isOn("quiet")).toBe(true);
    expect(parseFlags(buildSpec, []).isOn("no-cache")).toBe(false);
  });

  test("a value may be empty, hold =, or look like a flag", () => {
    const flags = parseFlags(buildSpec, ["--build-arg", "A=b=c", "--build-arg=", "--target", "--odd"]);
    expect(flags.all("build-arg")).toEqual(["A=b=c", ""]);
    expect(flags.last("target")).toBe("--odd");
  });

  test("- is an operand, and after -- everything is", () => {
    expect(parseFlags(buildSpec, ["-f", "-", "-"]).operands).toEqual(["-"]);
    expect(parseFlags(buildSpec, ["--", "-q"]).operands).toEqual(["-q"]);
  });

  test("flags after the image of run belong to its command", () => {
    const flags = parseFlags(runSpec, ["-it", "-e", "A=1", "alpine", "ls", "-l", "--help"]);
    expect(flags.operands).toEqual(["alpine", "ls", "-l", "--help"]);
    expect([flags.isOn("interactive"), flags.isOn("tty"), flags.isOn("help")]).toEqual([true, true, false]);
  });
});

describe("wrong flags", () => {
  test("a slip of the fingers is named", () => {
    expect(usageError(buildSpec, ["--tga", "a", "."])).toBe("unknown flag --tga / did you mean --tag?");
    expect(usageError(buildSpec, ["--nocache=true"])).toBe(
      "unknown flag --nocache / did you mean --no-cache?",
    );
  });
  test("nothing near: the help", () => {
    expect(usageError(buildSpec, ["--frobnicate"])).toBe("unknown flag --frobnicate / tsbuild build --help");
    expect(usageError(buildSpec, ["-qx"])).toBe('unknown flag -x in "-qx" / tsbuild build --help');
  });
  test("a flag of Docker's that is not there is called that", () => {
    expect(usageError(buildSpec, ["--cgroupns=host"])).toContain(
      "tsbuild does not have --cgroupns: steps always have a cgroup namespace of their own",
    );
  });
  test("a missing value", () => {
    expect(usageError(buildSpec, [".", "-t"])).toContain("-t needs a value: -t NAME[:TAG]");
  });
  test("a switch with nonsense", () => {
    expect(usageError(buildSpec, ["--no-cache=perhaps"])).toContain(
      '"--no-cache=perhaps": a switch is true or false',
    );
  });
});

test("no command has two flags of one spelling", () => {
  for (const spec of commandSpecs) {
    const all = [...spec.flags, ...globalFlags];
    const spellings = all.flatMap((flag) => [flag.name, ...(flag.short === undefined ? [] : [flag.short])]);
    expect(spellings.length, spec.name).toBe(new Set(spellings).size);
  }
});
