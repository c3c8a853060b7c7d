import { mkdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { uniqueName } from "@tsbuild/base";
import type { StoreState } from "./state.ts";

/** What the kernel calls the pid namespace that it started with (PROC_PID_INIT_INO). */
const FIRST_PID_NAMESPACE = "pid:[4026531836]";

/** Whether a program may go on when this process has ended: the first process of a container takes all others with it. */
export function mayStay(): boolean {
  return tried(() => readlinkSync("/proc/self/ns/pid")) === FIRST_PID_NAMESPACE;
}

/**
 * Leaves it to native/settle, a program that stays after this process, to bring layers to the disk and to empty the trash: a syncfs waits for
 * whatever anyone has written to the file system, and removing a folder for the disk too where it is told at once what became free (the mount
 * option `discard`). Nobody who has his image should wait for either.
 *
 * False where that cannot be: the disk is full, say, or there are too many processes. The caller has another way.
 */
export async function leaveRest(state: StoreState, program: string): Promise<boolean> {
  const { database, durability, layout, trash } = state;
  const late = durability.unsynced();
  database.beginLeaving();
  if (late === undefined) return trash.isEmpty() || (await startSettling(state, program, ""));
  const mark = join("syncs", uniqueName(16));
  const begun = join(layout.base, `${mark}.begun`);
  const isWritten = tried(() => {
    mkdirSync(layout.syncs, { recursive: true });
    writeFileSync(begun, JSON.stringify(late), { mode: 0o644 });
    return true;
  });
  const isLeft = isWritten === true && (await startSettling(state, program, mark));
  if (isLeft) durability.left();
  else rmSync(begun, { force: true });
  return isLeft;
}

/** Whether it got as far as to stay. */
async function startSettling(
  { layout, native }: Pick<StoreState, "layout" | "native">,
  program: string,
  mark: string,
): Promise<boolean> {
  const base = native.openFolder(layout.base);
  const started = tried(() => native.startProgram(program, mark, base));
  native.close(base);
  if (started === undefined) return false;
  native.close(started.errors);
  let end = native.programEnd(started.pid);
  while (end === undefined) {
    // Not of node:timers/promises, which is loaded in 1 ms.
    await new Promise((resolve) => setTimeout(resolve, 1));
    end = native.programEnd(started.pid);
  }
  return end.status === 0 && end.signal === 0;
}

function tried<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}
