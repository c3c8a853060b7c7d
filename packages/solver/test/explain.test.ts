import type { CacheReason, VertexDigest } from "@tsbuild/base";
import { type CacheRecord, explainMiss, type KeyField, type MissSubject } from "@tsbuild/solver";
import { describe, expect, test } from "vitest";

const field = (name: string, value = "1"): KeyField => ({ name, value });

const vertex = (digit: string) => `sha256:${digit.repeat(64)}` as VertexDigest;

function record(...fields: readonly KeyField[]): CacheRecord {
  return {
    key: "key" as never,
    result: "result" as never,
    createdAt: 0,
    description: "[2/3] RUN make",
    fields,
    durationMs: 1,
  };
}

function subject(fields: readonly KeyField[], changes: Partial<MissSubject> = {}): MissSubject {
  return {
    ignored: undefined,
    evicted: false,
    cacheable: true,
    isSource: false,
    fields,
    inputs: [],
    ...changes,
  };
}

const inputs = [
  { vertex: vertex("1"), name: "[1/3] FROM debian", isSource: true, rebuilt: undefined },
  {
    vertex: vertex("2"),
    name: "[2/3] RUN make",
    isSource: false,
    rebuilt: { kind: "instruction", text: "instruction edited" } as const,
  },
  { vertex: vertex("3"), name: "[3/3] RUN other", isSource: false, rebuilt: undefined },
];

describe("explainMiss", () => {
  test.each<[string, CacheRecord | undefined, MissSubject, Partial<CacheReason>]>([
    [
      "--no-cache, whatever else",
      record(field("args")),
      subject([field("args", "2")], { ignored: "--no-cache-step make", evicted: true }),
      { kind: "no-cache", text: "--no-cache-step make" },
    ],
    [
      "an input without identity",
      undefined,
      subject([], { cacheable: false }),
      { kind: "not-cacheable", text: "an input has no identity to cache by" },
    ],
    ["no record", undefined, subject([]), { kind: "never-built", text: "never built here" }],
    [
      "no record but a key that had one",
      undefined,
      subject([], { evicted: true }),
      { kind: "evicted", text: "evicted" },
    ],
    [
      "nothing has changed",
      record(field("args")),
      subject([field("args")]),
      { kind: "evicted", text: "evicted" },
    ],
    [
      "another command",
      record(field("args", "make")),
      subject([field("args", "make -j2")]),
      { kind: "instruction", text: "instruction edited" },
    ],
    [
      "a flag of the build, which is no part of the instruction's text",
      record(field("args"), field("ulimits", "[]")),
      subject([field("args"), field("ulimits", "[1]")]),
      { kind: "instruction", text: "--ulimit changed" },
    ],
    [
      "a flag and the command",
      record(field("args"), field("hosts", "[]")),
      subject([field("args", "2"), field("hosts", "[1]")]),
      { kind: "instruction", text: "instruction edited" },
    ],
    [
      "an argument and the command that it is part of",
      record(field("env.VERSION"), field("args")),
      subject([field("env.VERSION", "2"), field("args", "2")]),
      { kind: "arg", text: "ENV VERSION 1 → 2" },
    ],
    ["a new argument", record(), subject([field("arg.MODE")]), { kind: "arg", text: "ARG MODE added" }],
    [
      "one file",
      record(field("content.1"), field("file:src/a.ts"), field("file:src/b.ts")),
      subject([field("content.1", "2"), field("file:src/a.ts", "2"), field("file:src/b.ts")], { inputs }),
      { kind: "input-content", text: "changed: src/a.ts" },
    ],
    [
      "many files",
      record(field("content.1"), ...["a", "b", "c", "d", "gone"].map((name) => field(`file:${name}`))),
      subject([field("content.1", "2"), ...["a", "b", "c", "d"].map((name) => field(`file:${name}`, "2"))]),
      { kind: "input-content", text: "changed: a, b, c and 2 more" },
    ],
    [
      "a file that is gone",
      record(field("content.1"), field("file:a"), field("file:b")),
      subject([field("content.1", "2"), field("file:a")]),
      { kind: "input-content", text: "removed: b" },
    ],
    [
      "one file of each kind",
      record(field("content.1"), field("file:a"), field("file:gone"), field("file:same")),
      subject([field("content.1", "2"), field("file:a", "2"), field("file:new"), field("file:same")]),
      { kind: "input-content", text: "changed: a; added: new; removed: gone" },
    ],
    [
      "content without files",
      record(field("content.0")),
      subject([field("content.0", "2")], { inputs }),
      { kind: "input-content", text: "changed: content of [1/3] FROM debian" },
    ],
    [
      "a file, before the base that changed as well",
      record(field("input.0"), field("content.1"), field("file:a")),
      subject([field("input.0", "2"), field("content.1", "2"), field("file:a", "2")], { inputs }),
      { kind: "input-content", text: "changed: a" },
    ],
    [
      "file names that differ while the content that counts does not",
      record(field("input.1"), field("content.0"), field("file:a")),
      subject([field("input.1", "2"), field("content.0")], { inputs }),
      { kind: "input", text: "after [2/3] RUN make" },
    ],
    [
      "the base image",
      record(field("input.0")),
      subject([field("input.0", "2")], { inputs }),
      { kind: "base", text: "another base: [1/3] FROM debian" },
    ],
    [
      "of several inputs the one that was rebuilt",
      record(field("input.0"), field("input.1")),
      subject([field("input.0", "2"), field("input.1", "2")], { inputs }),
      { kind: "input", text: "after [2/3] RUN make", because: vertex("2") },
    ],
    [
      "a base that has moved, though nobody rebuilt it in this solve",
      record(field("input.0")),
      subject([field("input.0", "2")], {
        inputs: [
          {
            ...inputs[0]!,
            moved: [{ name: "base", before: `sha256:${"a".repeat(64)}`, after: `sha256:${"b".repeat(64)}` }],
          },
        ],
      }),
      { kind: "base", text: "base moved sha256:aaaaaaaaaaaa → sha256:bbbbbbbbbbbb", because: vertex("1") },
    ],
    [
      "a file's mode",
      record(field("content.0"), field("file:run.sh", "100644 0123456789abcdef")),
      subject([field("content.0", "2"), field("file:run.sh", "100755 0123456789abcdef")], { inputs }),
      { kind: "input-content", text: "changed: mode of run.sh 0644 → 0755" },
    ],
    [
      "a link in the place of a file with the same text",
      record(field("content.0"), field("file:run", "100777 x")),
      subject([field("content.0", "2"), field("file:run", "120777 x")], { inputs }),
      { kind: "input-content", text: "changed: run" },
    ],
    [
      "the content and the mode of a file",
      record(field("content.0"), field("file:run", "100644 1")),
      subject([field("content.0", "2"), field("file:run", "100755 2")], { inputs }),
      { kind: "input-content", text: "changed: run" },
    ],
    [
      "a folder without files",
      record(field("content.0")),
      subject([field("content.0", "2"), field("file:empty/", "40755 ")], { inputs }),
      { kind: "input-content", text: "added: empty/" },
    ],
    [
      "a new folder with a file in it, said by the file",
      record(field("content.0")),
      subject([field("content.0", "2"), field("file:new/", "40755 "), field("file:new/a", "100644 1")], {
        inputs,
      }),
      { kind: "input-content", text: "added: new/a" },
    ],
    [
      "a part of the instruction that says more",
      record(field("user", "")),
      subject([field("user", "alice")]),
      { kind: "instruction", text: 'USER "" → alice' },
    ],
    [
      "several arguments",
      record(field("arg.A", "1"), field("arg.B", "1")),
      subject([field("arg.A", "x".repeat(100)), field("arg.B", "2")]),
      { kind: "arg", text: `ARG A 1 → ${"x".repeat(39)}… and 1 more` },
    ],
    [
      "an input that another build has rebuilt",
      record(field("input.2")),
      subject([field("input.2", "2")], { inputs }),
      { kind: "input", text: "after [3/3] RUN other" },
    ],
    [
      "a source",
      record(field("base", "debian old")),
      subject([field("base", "debian new")], { isSource: true }),
      { kind: "base", text: "base moved debian old → debian new" },
    ],
    [
      "one of two values of one name",
      record(field("x", "1"), field("x", "2")),
      subject([field("x", "1"), field("x", "3")]),
      { kind: "instruction", text: "instruction edited" },
    ],
    [
      "all that has changed beside the reason",
      record(field("args", "make"), field("arg.A", "1")),
      subject([field("args", "make -j"), field("arg.A", "2")]),
      {
        kind: "arg",
        changes: [
          { name: "args", before: "make", after: "make -j" },
          { name: "arg.A", before: "1", after: "2" },
        ],
      },
    ],
  ])("%s", (_name, before, now, expected) => {
    expect(explainMiss(before, now)).toMatchObject(expected);
  });
});

/** Of one file with the same bytes, the attributes of its field before and after. */
test.each<[string, readonly string[], readonly string[]]>([
  ["changed: owner of run.sh 0:0 → 5:6", ["owner 0:0"], ["owner 5:6"]],
  ["added: attribute user.note of run.sh", [], ["user.note 0123"]],
  ["changed: attribute user.note of run.sh", ["user.note 0123"], ["user.note 4567"]],
  ["removed: capabilities of run.sh", ["owner 0:0", "security.capability 01"], ["owner 0:0"]],
  ["changed: run.sh", ["owner 0:0"], ["owner 5:6", "user.note 01"]],
])("%s", (text, before, after) => {
  const file = (attributes: readonly string[]) =>
    field("file:run.sh", ["100644 0123", ...attributes].join("\t"));
  const current = subject([field("content.0", "2"), file(after)], { inputs });
  expect(explainMiss(record(field("content.0"), file(before)), current)).toMatchObject({ text });
});
