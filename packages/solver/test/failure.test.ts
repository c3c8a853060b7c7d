import { setImmediate as turn } from "node:timers/promises";
import { type BuildEvent, TsbuildError } from "@tsbuild/base";
import { solve } from "@tsbuild/solver";
import { constant, gate, type IntegerVertex, IntegerWorld, integer, integerGraph } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let world: IntegerWorld;
beforeEach(() => {
  world = new IntegerWorld();
});
afterEach(() => {
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
});

const three = constant("three", 3);

function failing(name: string, error: unknown) {
  return integer(name, [three], {
    compute: () => {
      throw error;
    },
  });
}

function ends(events: readonly BuildEvent[]) {
  return events.flatMap((event) => {
    if (event.type === "vertex-failed") return [`failed ${event.canceled}`];
    return event.type === "vertex-cached" || event.type === "vertex-completed" ? [event.type] : [];
  });
}

describe("failure", () => {
  test("rejects with the error of the vertex, and names it", async () => {
    const boom = failing("boom", new TsbuildError("TSB_EXEC", "exit code 7", { exitCode: 7, hint: "look" }));
    const solving = world.solve(integer("top", [boom]));
    await expect(solving).rejects.toMatchObject({
      code: "TSB_EXEC",
      message: "exit code 7",
      exitCode: 7,
      hint: "look",
      vertex: boom.digest,
    });
    expect(world.runs.has("top")).toBe(false);
  });

  test("of a full disk, and of what the system says besides, keeps the cause", async () => {
    const full = Object.assign(new Error("no space left"), { code: "ENOSPC" });
    await expect(world.solve(failing("full", full))).rejects.toMatchObject({
      code: "TSB_DISK_FULL",
      cause: full,
    });
    const broken = Object.assign(new Error("i/o error"), { code: "EIO" });
    await expect(world.solve(failing("broken", broken))).rejects.toMatchObject({
      code: "TSB_STORE",
      cause: broken,
    });
  });

  test("of anything that is neither foreseen nor the system's is a bug's", async () => {
    const bug = new TypeError("x is not a function");
    await expect(world.solve(failing("bug", bug))).rejects.toMatchObject({
      code: "TSB_INTERNAL",
      message: "internal error: TypeError: x is not a function",
      cause: bug,
    });
    const refused = Object.assign(new RangeError("out of range"), { code: "ERR_OUT_OF_RANGE" });
    await expect(world.solve(failing("refused", refused))).rejects.toMatchObject({ code: "TSB_INTERNAL" });
    await expect(world.solve(failing("odd", "text"))).rejects.toMatchObject({
      code: "TSB_INTERNAL",
      message: "internal error: text",
    });
  });

  test("cancels what is in flight and keeps what is finished", async () => {
    const never = gate();
    const fuse = gate();
    const events: BuildEvent[] = [];
    const done = integer("done", [three]);
    const slow = integer("slow", [done], { wait: never.wait });
    const boom = integer("boom", [], {
      wait: fuse.wait,
      compute: () => {
        throw new TsbuildError("TSB_EXEC", "boom");
      },
    });
    const solving = world.solve(integer("top", [slow, boom]), { onEvent: (event) => events.push(event) });
    await Promise.all([never.reached, fuse.reached]);
    fuse.open();
    await expect(solving).rejects.toMatchObject({ message: "boom", vertex: boom.digest });
    expect(ends(events).toSorted()).toEqual([
      "failed false",
      "failed true",
      "vertex-completed",
      "vertex-completed",
    ]);
    expect(await world.solve(done)).toMatchObject({ value: 3, ran: [] });
  });

  test("a vertex that finishes although it should stop is recorded", async () => {
    const deaf = gate();
    const fuse = gate();
    const stubborn = integer("stubborn", [three], {
      wait: () => deaf.wait({ signal: new AbortController().signal }),
    });
    const boom = integer("boom", [], {
      wait: fuse.wait,
      compute: () => {
        throw new TsbuildError("TSB_EXEC", "boom");
      },
    });
    const solving = world.solve(integer("top", [stubborn, boom]));
    let ended = false;
    const rejection = expect(solving).rejects.toThrow("boom");
    rejection.finally(() => {
      ended = true;
    });
    await Promise.all([deaf.reached, fuse.reached]);
    fuse.open();
    await turn();
    await turn();
    expect(ended).toBe(false);
    deaf.open();
    await rejection;
    expect(await world.solve(stubborn)).toMatchObject({ value: 3, ran: [] });
  });

  test("in a cache map fails that vertex", async () => {
    const bad = integer("bad", [three], {
      onCacheMap: () => {
        throw new TsbuildError("TSB_RESOLVE", "no such image");
      },
    });
    await expect(world.solve(integer("top", [bad]))).rejects.toMatchObject({
      code: "TSB_RESOLVE",
      vertex: bad.digest,
    });
    expect(world.runs.size).toBe(0);
  });

  test("in a content function fails the vertex that asked, at once", async () => {
    const never = gate();
    const copy = integer("copy", [three, integer("slow", [], { wait: never.wait })], {
      content: {
        0: () => {
          throw new TsbuildError("TSB_CONTEXT", "not found");
        },
        1: (value) => value,
      },
    });
    await expect(world.solve(copy)).rejects.toMatchObject({ code: "TSB_CONTEXT", vertex: copy.digest });
  });

  /** A solve of `vertex`, which fails at once, ends only when `deaf`, which does not listen, has ended. */
  async function endsAfter(deaf: ReturnType<typeof gate>, vertex: IntegerVertex): Promise<void> {
    let ended = false;
    const rejection = expect(world.solve(vertex)).rejects.toThrow("at once");
    rejection.finally(() => {
      ended = true;
    });
    await deaf.reached;
    for (let i = 0; i < 5; i++) await turn();
    expect(ended).toBe(false);
    deaf.open();
    await rejection;
  }
  const notListening = { signal: new AbortController().signal };
  const atOnce = () => {
    throw new TsbuildError("TSB_EXEC", "at once");
  };

  test("waits for a content function that is at work", async () => {
    const deaf = gate();
    const copy = integer("copy", [three, failing("bad", new TsbuildError("TSB_EXEC", "at once"))], {
      content: { 0: (value) => value, 1: (value) => value },
      contentWait: () => deaf.wait(notListening),
    });
    await endsAfter(deaf, copy);
  });

  test("waits for a content function also where the vertex has to run anyway", async () => {
    const deaf = gate();
    const bad = integer("bad", [], { wait: () => deaf.reached, compute: atOnce });
    const copy = integer("copy", [bad, three], {
      content: { 1: (value) => value },
      contentWait: () => deaf.wait(notListening),
    });
    await endsAfter(deaf, copy);
  });

  test("waits for the fields of an explanation, which read the inputs", async () => {
    const deaf = gate();
    const copy = integer("copy", [three], {
      content: { 0: (value) => value },
      compute: atOnce,
      contentFields: async () => {
        await deaf.wait(notListening);
        return [];
      },
    });
    await endsAfter(deaf, copy);
  });

  test("waits for a cache map that is being made", async () => {
    const deaf = gate();
    const bad = integer("bad", [], { onCacheMap: atOnce });
    const both = integer("both", [bad], { onCacheMap: () => deaf.wait(notListening) });
    await endsAfter(deaf, integer("top", [both]));
  });

  test("in making an op rejects too", async () => {
    const solving = solve({
      graph: integerGraph(three),
      resolveOp: () => {
        throw new TsbuildError("TSB_UNSUPPORTED", "no such op");
      },
      storage: world.storage,
      locks: world.locks,
      jobs: 1,
      signal: new AbortController().signal,
      emit: () => {},
    });
    await expect(solving).rejects.toMatchObject({ code: "TSB_UNSUPPORTED" });
  });

  test("of the storage while saving releases what was made", async () => {
    world.storage.save = () => {
      throw new TsbuildError("TSB_DISK_FULL", "no space for the record");
    };
    await expect(world.solve(integer("top", [three]))).rejects.toMatchObject({
      code: "TSB_DISK_FULL",
      vertex: three.digest,
    });
  });

  test("another solve that waited for the same work does it itself", async () => {
    const hold = gate();
    let tries = 0;
    const flaky = (name: string) =>
      integer(name, [three], {
        key: "flaky",
        wait: hold.wait,
        compute: () => {
          if (++tries === 1) throw new TsbuildError("TSB_EXEC", "first try");
          return 5;
        },
      });
    const first = world.solve(flaky("one"));
    await hold.reached;
    const second = world.solve(flaky("two"));
    await turn();
    hold.open();
    await expect(first).rejects.toThrow("first try");
    expect(await second).toMatchObject({ value: 5, ran: ["two"] });
  });
});

describe("cancel", () => {
  test("before it begins runs nothing", async () => {
    const solving = world.solve(three, { signal: AbortSignal.abort() });
    await expect(solving).rejects.toMatchObject({ code: "TSB_CANCELED" });
    expect(world.runs.size).toBe(0);
  });

  test("stops what runs, what waits for a slot and what waits for a lock", async () => {
    const never = gate();
    const outside = gate();
    const events: BuildEvent[] = [];
    const abort = new AbortController();
    const locked = (name: string) => integer(name, [three], { key: "locked", wait: outside.wait });
    const other = world.solve(locked("holder"));
    await outside.reached;
    const parts = [
      locked("waiter"),
      integer("running", [three], { wait: never.wait }),
      integer("queued", [three], { wait: never.wait }),
    ];
    const solving = world.solve(integer("top", parts), {
      jobs: 1,
      signal: abort.signal,
      onEvent: (event) => events.push(event),
    });
    const rejection = expect(solving).rejects.toMatchObject({ code: "TSB_CANCELED" });
    await never.reached;
    await turn();
    abort.abort(new Error("Ctrl-C"));
    await rejection;
    expect(ends(events)).toEqual(["vertex-cached", "failed true"]);
    outside.open();
    expect((await other).value).toBe(3);
  });

  test("the work of a canceled solve passes to the one that waits for it", async () => {
    const hold = gate();
    const abort = new AbortController();
    const same = (name: string) => integer(name, [three], { key: "same", wait: hold.wait });
    const first = world.solve(same("one"), { signal: abort.signal });
    const canceled = expect(first).rejects.toMatchObject({ code: "TSB_CANCELED" });
    await hold.reached;
    const second = world.solve(same("two"));
    await turn();
    abort.abort();
    await canceled;
    hold.open();
    expect(await second).toMatchObject({ value: 3, ran: ["two"] });
  });
});
