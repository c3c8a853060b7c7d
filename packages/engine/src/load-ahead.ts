import { monotonicMs } from "@tsbuild/base";
import type { CompleteRequest } from "./complete-request.ts";
import { pushes } from "./output-wishes.ts";
import type { Session } from "./session.ts";
import type { BuildTarget } from "./targets.ts";

/** Time between two looks at how busy this thread is. */
const LOOK_MS = 10;
/** A timer that comes no later than that finds a thread with little to do. */
const PUNCTUAL_MS = 4;
/** Punctual timers in a row when a step runs: others may be about to start. */
const LOOKS_AT_A_STEP = 1;
/** A crowded machine lets no timer be punctual: after so many looks at a step it is done all the same. */
const LOOKS_AT_MOST = 20;
/** Punctual timers without a step: then much is being copied or fetched, which nobody here can hurry. */
const LOOKS = 10;

/** A moment to do something else. */
export interface IdleWatch {
  /** A step's process is on its way. */
  readonly onRunning: () => void;
  readonly stop: () => void;
}

const never: IdleWatch = { onRunning: () => undefined, stop: () => undefined };

/** Calls `then` when this thread has nothing to do for a while, and once more at a step: by then the base is here. */
function whenIdle(then: (isRunning: boolean) => void): IdleWatch {
  let isRunning = false;
  let punctual = 0;
  let looks = 0;
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const due = monotonicMs() + LOOK_MS;
    timer = setTimeout(() => {
      punctual = monotonicMs() - due <= PUNCTUAL_MS ? punctual + 1 : 0;
      looks++;
      const isIdle = punctual >= (isRunning ? LOOKS_AT_A_STEP : LOOKS);
      if (isIdle || (isRunning && looks >= LOOKS_AT_MOST)) then(isRunning);
      else look();
    }, LOOK_MS);
  };
  const onRunning = (): void => {
    if (isRunning) return;
    isRunning = true;
    punctual = 0;
    looks = 0;
    clearTimeout(timer);
    look();
  };
  look();
  return { onRunning, stop: () => clearTimeout(timer) };
}

/**
 * Gets ready for a push while steps run and this thread has nothing to do: done afterwards, it is a tenth of a second that the build takes longer,
 * and several answers of a far registry. Done while a step is prepared, it delays that.
 */
export function loadAhead(
  session: Session,
  { outputs, tags }: CompleteRequest,
  targets: readonly BuildTarget[],
): IdleWatch {
  const pushed = outputs.filter(pushes);
  if (pushed.length === 0) return never;
  const platforms = targets.flatMap((target) => (target.isDelivered ? target.platforms : []));
  const base = new Set(platforms.flatMap(({ image }) => image.rootfs.diff_ids));
  const load = async (isRunning: boolean): Promise<void> => {
    const { expectPush } = await import("@tsbuild/export");
    // Of a step that runs, something new is going to come.
    const push = { outputs: pushed, names: tags, base: [...base], isNew: isRunning };
    await expectPush(push, { store: session.store, registry: session.registry.bind(session) });
    if (isRunning) (await import("./young-objects.ts")).collectYoung();
  };
  // What cannot be had is told of by the push, which asks for the same.
  return whenIdle((isRunning) => void load(isRunning).catch(() => undefined));
}
