import { describe, expect, test } from "vitest";
import {
  copy,
  defer,
  diff,
  type Graph,
  http,
  image,
  local,
  marshalGraph,
  merge,
  mkdir,
  mkfile,
  type Op,
  ociLayout,
  scratch,
} from "../src/index.ts";

const platform = { os: "linux", architecture: "amd64" };
const alpine = () => image("docker.io/library/alpine:latest", { platform });

function kinds(graph: Graph): string[] {
  return graph.vertices.map(({ op }) => op.kind.type);
}

function last(graph: Graph): Op {
  return graph.vertices.at(-1)!.op;
}

describe("the builder", () => {
  test("example: compile in one image, put the program into an empty one", () => {
    const compiler = image("docker.io/library/golang:1.26", { platform });
    const built = compiler.run({
      args: ["go", "build", "-o", "/out/app", "."],
      env: ["CGO_ENABLED=0"],
      cwd: "/src",
      mounts: [
        { dest: "/src", type: "bind", from: local("context", { excludePatterns: [".git"] }), readonly: true },
        { dest: "/root/.cache", type: "cache", cache: { id: "go", sharing: "shared" } },
        { dest: "/out", type: "bind", keep: true },
      ],
      annotations: { name: "compile", lines: [{ start: 3, end: 4 }] },
    });
    const program = scratch().file(mkdir("/app").copy(built.mount("/out"), "/app", "/app/", { mode: 0o755 }));

    const graph = program.toGraph({ file: "build.ts", language: "TypeScript", text: "…" });

    expect(kinds(graph)).toEqual(["source", "source", "exec", "file"]);
    const exec = graph.vertices[2]!;
    expect(exec.metadata).toEqual({ name: "compile" });
    expect(graph.source!.locations.get(exec.digest)).toEqual([{ start: 3, end: 4 }]);
    // Mounts are ordered by destination; the root is output 0, what is kept of /out is output 1.
    expect(
      exec.op.kind.type === "exec" && exec.op.kind.mounts.map(({ dest, output }) => [dest, output]),
    ).toEqual([
      ["/", 0],
      ["/out", 1],
      ["/root/.cache", -1],
      ["/src", -1],
    ]);
    expect(last(graph).inputs).toEqual([{ digest: exec.digest, index: 1 }]);
    expect(graph.result).toEqual({ digest: graph.vertices[3]!.digest, index: 0 });
    expect(marshalGraph(graph).length).toBeGreaterThan(0);
  });

  test("walks depth first, inputs left to right, equal ops once", () => {
    const left = alpine().file(mkfile("/l", ""), { name: "left", lines: [{ start: 1, end: 1 }] });
    const right = alpine().file(mkfile("/r", ""));
    const again = alpine().file(mkfile("/l", ""), { name: "again", lines: [{ start: 9, end: 9 }] });
    const graph = merge([left, right, again]).toGraph({ file: "f", language: "l", text: "" });
    expect(kinds(graph)).toEqual(["source", "file", "file", "merge"]);
    const [, first] = graph.vertices;
    expect(first!.metadata).toEqual({ name: "again" });
    expect(graph.source!.locations.get(first!.digest)).toEqual([
      { start: 1, end: 1 },
      { start: 9, end: 9 },
    ]);
    // The list of a merge keeps its length: equal inputs are inputs twice.
    expect(last(graph).inputs).toHaveLength(3);
  });

  test("chains the actions of one op and numbers their results after the inputs", () => {
    const actions = mkdir("/a").copy(local("context"), "x", "/a/").rm("/a/y", { allowNotFound: true });
    const op = last(alpine().file(actions).toGraph());
    expect(op.inputs).toHaveLength(2);
    const wiring =
      op.kind.type === "file" && op.kind.actions.map((a) => [a.input, a.secondaryInput, a.output]);
    expect(wiring).toEqual([
      [0, -1, -1],
      [2, 1, -1],
      [3, -1, 0],
    ]);
  });

  test("looks names of owners up in the base, and in nothing on scratch", () => {
    const owned = copy(alpine(), "/a", "/b", { owner: { user: "bob", group: 0 } });
    const owner = (op: Op) =>
      op.kind.type === "file" && "owner" in op.kind.actions[0]!.action && op.kind.actions[0]!.action.owner;
    const base = alpine().file(mkfile("/x", ""));
    expect(owner(last(base.file(owned).toGraph()))).toEqual({
      user: { name: "bob", input: 0 },
      group: { id: 0 },
    });
    expect(owner(last(scratch().file(owned).toGraph()))).toEqual({
      user: { name: "bob", input: -1 },
      group: { id: 0 },
    });
  });

  test("a deferred state is made once, when the graph is", () => {
    const paths: string[] = [];
    let made = 0;
    const context = defer(() => {
      made++;
      return local("context", { followPaths: paths });
    });
    const state = scratch().file(copy(context, "a", "/").copy(context, "b", "/"));
    paths.push("a", "b");
    expect(made).toBe(0);
    const [source] = state.toGraph().vertices;
    expect(source!.op.kind).toMatchObject({ attrs: { "local.followpaths": '["a","b"]' } });
    expect(made).toBe(1);
  });

  test("leaves scratch out of merges and diffs", () => {
    expect(merge([scratch(), scratch()]).toGraph()).toEqual({ vertices: [], result: null });
    expect(kinds(merge([scratch(), alpine()]).toGraph())).toEqual(["source"]);
    expect(kinds(diff(scratch(), alpine()).toGraph())).toEqual(["source"]);
    const op = last(diff(alpine(), scratch()).toGraph());
    expect(op.kind).toEqual({ type: "diff", lower: 0, upper: -1 });
  });

  test.each([
    ["a/b", "/a/b"],
    ["/a/../b/", "/b/"],
    ["/a/.", "/a/."],
    ["/", "/"],
    [".", "/"],
  ])("keeps what says that the destination %s is a folder", (written, dest) => {
    const op = last(
      scratch()
        .file(copy(alpine(), "/", written))
        .toGraph(),
    );
    expect(op.kind).toMatchObject({ actions: [{ action: { dest } }] });
  });

  test("gives sources the attributes that BuildKit reads", () => {
    const attrs = (state: { toGraph(): Graph }) => {
      const { kind } = last(state.toGraph());
      return kind.type === "source" && { [kind.identifier]: kind.attrs };
    };
    expect(
      attrs(http("https://h/f", { filename: "f", checksum: "sha256:1", mode: 0o600, uid: 1, gid: 2 })),
    ).toEqual({
      "https://h/f": {
        "http.checksum": "sha256:1",
        "http.filename": "f",
        "http.perm": "0600",
        "http.uid": "1",
        "http.gid": "2",
      },
    });
    expect(attrs(ociLayout("n@sha256:1", { platform, storeId: "s" }))).toEqual({
      "oci-layout://n@sha256:1": { "oci.store": "s" },
    });
    expect(attrs(image("a:b", { platform, resolveMode: "pull" }))).toEqual({
      "docker-image://a:b": { "image.resolvemode": "pull" },
    });
  });

  test("refuses the output of a mount that is not kept", () => {
    const ran = alpine().run({ args: ["x"], mounts: [{ dest: "/m", type: "bind" }] });
    expect(() => ran.mount("/m")).toThrow("/m is not kept");
  });
});
