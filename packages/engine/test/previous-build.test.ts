import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BuildEvent, type Digest, sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { Graph } from "@tsbuild/llb";
import type { CacheKeyId } from "@tsbuild/solver";
import { openStore, type Store } from "@tsbuild/store";
import { expect, onTestFinished, test } from "vitest";
import type { CompleteRequest } from "../src/complete-request.ts";
import { PreviousBuild, projectOf } from "../src/previous-build.ts";
import type { PreparedRequest } from "../src/request.ts";

const vertex = sha256("vertex") as string as VertexDigest;
const key = "key" as CacheKeyId;
const graph = { vertices: [{ digest: vertex, metadata: { name: "RUN true" } }] } as unknown as Graph;
const project = sha256("project") as Digest;

function opened(): Store {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-previous-"));
  const store = openStore({ root });
  onTestFinished(async () => {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  });
  return store;
}

const quietly = { emit: () => undefined, peakMemoryOf: () => undefined };

/** A store whose remembered values cannot be written. */
function failing(store: Store, error: Error): Store {
  const set = (): void => {
    throw error;
  };
  return { ...store, memo: { get: (kind, name) => store.memo.get(kind, name), set } };
}

test("the steps of the last build are known to the next", () => {
  const store = opened();
  new PreviousBuild(store, project, graph).remember(new Map([[vertex, key]]), quietly);
  expect(new PreviousBuild(store, project, graph).keyOf(vertex)).toBe(key);
});

test("what a step took is known to the next build, also when the one between found it in the cache", () => {
  const store = opened();
  const ran = { ...quietly, peakMemoryOf: () => 5e9 };
  new PreviousBuild(store, project, graph).remember(new Map([[vertex, key]]), ran);
  new PreviousBuild(store, project, graph).remember(new Map([[vertex, key]]), quietly);
  expect(new PreviousBuild(store, project, graph).peakMemoryOf(vertex)).toBe(5e9);
});

test("a step that a build had no need to look at stays known", () => {
  const store = opened();
  const other = sha256("other") as string as VertexDigest;
  const both = {
    vertices: [...graph.vertices, { digest: other, metadata: { name: "COPY --from=a /x /x" } }],
  } as unknown as Graph;
  const keys = new Map([
    [vertex, key],
    [other, "other" as CacheKeyId],
  ]);
  new PreviousBuild(store, project, both).remember(keys, quietly);
  new PreviousBuild(store, project, both).remember(new Map([[other, "new" as CacheKeyId]]), quietly);
  const next = new PreviousBuild(store, project, both);
  expect([next.keyOf(vertex), next.keyOf(other)]).toEqual([key, "new"]);
});

test("what cannot be remembered is a warning, not a failure in the place of the build's own", () => {
  const store = opened();
  const events: BuildEvent[] = [];
  const full = new TsbuildError("TSB_DISK_FULL", "cannot write the state database: it is full");
  const previous = new PreviousBuild(failing(store, full), project, graph);
  previous.remember(new Map([[vertex, key]]), {
    ...quietly,
    emit: (event) => events.push(event),
  });
  expect(events).toMatchObject([{ type: "warning", message: expect.stringContaining("it is full") }]);
});

test("a mistake of ours is not taken for a full disk", () => {
  const previous = new PreviousBuild(failing(opened(), new TypeError("oops")), project, graph);
  expect(() => previous.remember(new Map([[vertex, key]]), quietly)).toThrow("oops");
});

test("a Dockerfile from standard input is another project than the file of its folder", () => {
  const project = (request: Partial<CompleteRequest>): Digest =>
    projectOf(
      { context: { type: "folder", path: "/app" }, ...request } as CompleteRequest,
      { dockerfile: { file: "Dockerfile" } } as PreparedRequest,
      [],
    );
  const piped = project({ dockerfileText: "FROM a" });
  expect(piped).not.toBe(project({}));
  expect(piped).toBe(project({ dockerfileText: "FROM b" }));
});
