import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor"; readonly execution: "sync" }) => void;

/** Less is not worth a collection: what there is then is not full before the build ends, or is collected in no time. */
const WORTH_BYTES = 4 * 1024 * 1024;

/**
 * Collects the objects that this thread has made lately, for a moment in which it has nothing else to do: V8 does it when their room is full, which
 * is a few milliseconds in the middle of something that others wait for.
 */
export function collectYoung(): void {
  const used = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")?.space_used_size;
  if (used === undefined || used < WORTH_BYTES) return;
  // Off again at once: compiled code is only taken under the flags that it was made with.
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  setFlagsFromString("--no-expose-gc");
  collect({ type: "minor", execution: "sync" });
}
