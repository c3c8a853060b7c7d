import type { BuildEvent, EventSink } from "@tsbuild/base";

/**
 * Hands events on when this thread has come to the end of what it does now. To print and to record what one step did takes it half a
 * millisecond; told at once, the step after it waits for that, told so, it runs meanwhile. Events keep their order and have their own times.
 */
export class LaterEvents {
  readonly #deliver: EventSink;
  #waiting: BuildEvent[] = [];
  #soon: NodeJS.Immediate | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(deliver: EventSink) {
    this.#deliver = deliver;
  }

  /** Throws what an event before threw at whoever got it. */
  readonly emit = (event: BuildEvent): void => {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#waiting.push(event);
    this.#soon ??= setImmediate(() => this.#handOn());
  };

  /** Hands on all that were told until now. */
  flush(): void {
    this.#handOn();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #handOn(): void {
    clearImmediate(this.#soon);
    this.#soon = undefined;
    const events = this.#waiting;
    this.#waiting = [];
    try {
      for (const event of events) this.#deliver(event);
    } catch (error) {
      this.#failure ??= { error };
    }
  }
}
