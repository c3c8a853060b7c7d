import { monotonicMs } from "@tsbuild/base";
import type { CompleteRequest } from "./complete-request.ts";
import { pushes } from "./deliver.ts";
import type { Session } from "./session.ts";
import type { BuildTarget } from "./targets.ts";

/** After its start, a step takes a while to come to its own work. */
const STARTED_MS = 10;
/** Time between two looks at how busy this thread is. */
const LOOK_MS = 20;
/** A timer that comes no later than that finds a thread with nothing to do. */
const PUNCTUAL_MS = 2;
/** Punctual timers in a row: then much is being copied or fetched, which nobody here can hurry. */
const LOOKS = 5;

/** A moment to do something else. */
export interface IdleWatch {
  /** A step's process is on its way. */
  readonly onRunning: () => void;
  readonly stop: () => void;
}

const never: IdleWatch = { onRunning: () => undefined, stop: () => undefined };

/** Calls `then` once, when this thread has nothing to do for a while. */
function whenIdle(then: () => void): IdleWatch {
  let punctual = 0;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  const look = (): void => {
    const due = monotonicMs() + LOOK_MS;
    timer = setTimeout(() => {
      punctual = monotonicMs() - due <= PUNCTUAL_MS ? punctual + 1 : 0;
      if (punctual < LOOKS) look();
      else settle();
    }, LOOK_MS);
  };
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
    then();
  };
  const onRunning = (): void => {
    if (isSettled) return;
    isSettled = true;
    stop();
    timer = setTimeout(then, STARTED_MS);
  };
  look();
  return { onRunning, stop };
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
  const load = async (): Promise<void> => {
    const { expectPush } = await import("@tsbuild/export");
    const registry = (options?: { readonly insecureHosts: readonly string[] }) => session.registry(options);
    await expectPush({ outputs: pushed, names: tags, base: [...base] }, { store: session.store, registry });
  };
  // What cannot be had is told of by the push, which asks for the same.
  return whenIdle(() => void load().catch(() => undefined));
}
