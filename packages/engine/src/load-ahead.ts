import type { CompleteRequest } from "./complete-request.ts";
import { type IdleWatch, whenIdle, whenQuiet } from "./idle.ts";
import { pushes } from "./output-wishes.ts";
import type { Session } from "./session.ts";
import type { BuildTarget } from "./targets.ts";

/** What steps leave is usually copied on, and this thread is where all of that begins. */
async function beReadyForEnds(): Promise<void> {
  await import("@tsbuild/ops/file");
  (await import("./young-objects.ts")).collectYoung();
}

/** Gets ready for what follows the steps while this thread only waits for them: done afterwards, others wait for it. */
export function loadAhead(
  session: Session,
  request: CompleteRequest,
  targets: readonly BuildTarget[],
): IdleWatch {
  const push = loadForPush(session, request, targets);
  // What cannot be had is told of by what needs it, which asks for the same.
  const ends = whenQuiet(() => void beReadyForEnds().catch(() => undefined));
  return {
    onRunning: () => {
      push?.onRunning();
      ends.onRunning();
    },
    stop: () => {
      push?.stop();
      ends.stop();
    },
  };
}

/**
 * Gets ready for a push while steps run and this thread has nothing to do: done afterwards, it is a tenth of a second that the build takes longer,
 * and several answers of a far registry. Done while a step is prepared, it delays that.
 */
function loadForPush(
  session: Session,
  { outputs, tags }: CompleteRequest,
  targets: readonly BuildTarget[],
): IdleWatch | undefined {
  const pushed = outputs.filter(pushes);
  if (pushed.length === 0) return undefined;
  const platforms = targets.flatMap((target) => (target.isDelivered ? target.platforms : []));
  const base = new Set(platforms.flatMap(({ image }) => image.rootfs.diff_ids));
  const load = async (isRunning: boolean): Promise<void> => {
    const { expectPush } = await import("@tsbuild/export");
    // Of a step that runs, something new is going to come.
    const push = { outputs: pushed, names: tags, base: [...base], isNew: isRunning };
    await expectPush(push, { store: session.store, registry: session.registry.bind(session) });
  };
  // What cannot be had is told of by the push, which asks for the same.
  return whenIdle((isRunning) => void load(isRunning).catch(() => undefined));
}
