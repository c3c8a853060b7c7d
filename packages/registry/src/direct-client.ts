import { buildConnector, Client, type Dispatcher, errors } from "undici";
import { DirectBody } from "./direct-body.ts";

/** What a socket reads into at a time; it is looked at at once, so one serves all. */
const READ_BYTES = 256 * 1024;

export interface DirectOptions {
  readonly connect: buildConnector.BuildOptions;
  /** No bytes for so long end a transfer. */
  readonly idleMs: number;
}

interface Socket {
  push(chunk: Buffer): boolean;
  resume(): unknown;
}

/**
 * One connection for one large answer. undici makes the connection, asks, and reads the answer's head; what follows goes from the socket to the
 * answer's body past its parser, when the head tells how long that is: a third of the processor time (measured on 320 MB over plain HTTP: 460 ms
 * with it, 120 of the socket alone). Nobody is told of anything else that undici finds on the connection after that.
 */
export class DirectClient {
  readonly #client: Client;
  readonly #idleMs: number;
  readonly dispatcher: Dispatcher;
  #socket: Socket | undefined;
  #handler: DirectHandler | undefined;
  static #memory: Buffer | undefined;

  constructor(origin: string, options: DirectOptions, onClosed: () => void) {
    DirectClient.#memory ??= Buffer.allocUnsafeSlow(READ_BYTES);
    const buffer = DirectClient.#memory;
    const onread = { buffer, callback: (size: number) => this.#read(buffer.subarray(0, size)) };
    const connect = buildConnector({ ...options.connect, allowH2: false, onread });
    this.#idleMs = options.idleMs;
    this.#client = new Client(origin, {
      // Its own timer of bodies sees none of this one's bytes.
      bodyTimeout: 0,
      headersTimeout: options.idleMs,
      allowH2: false,
      connect: (target, done) =>
        connect(target, (...result) => {
          this.#socket = result[1] ?? undefined;
          done(...result);
        }),
    });
    this.dispatcher = this.#client.compose((dispatch) => (request, handler) => {
      this.#handler = new DirectHandler(handler, {
        idleMs: this.#idleMs,
        resume: () => this.#socket?.resume(),
        onDone: () => {
          onClosed();
          void this.close();
        },
      });
      return dispatch(request, this.#handler);
    });
  }

  #read(bytes: Buffer): boolean {
    // A copy: what undici has not read yet stays in the socket, and this memory is all sockets'.
    return this.#handler?.take(bytes) ?? this.#socket?.push(Buffer.from(bytes)) ?? false;
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}

interface HandlerOptions {
  readonly idleMs: number;
  readonly resume: () => void;
  readonly onDone: () => void;
}

/** Between undici and who reads: an answer whose length is known is taken over. */
class DirectHandler implements Dispatcher.DispatchHandler {
  readonly #inner: Dispatcher.DispatchHandler;
  readonly #options: HandlerOptions;
  #controller: Controller | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isDone = false;
  #body: DirectBody | undefined;

  constructor(inner: Dispatcher.DispatchHandler, options: HandlerOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  #of(controller: Dispatcher.DispatchController): Controller {
    this.#controller ??= new Controller(controller, () => this.#body);
    return this.#controller;
  }

  /** What the socket has; undefined: it is for undici. */
  take(bytes: Buffer): boolean | undefined {
    if (this.#body === undefined) return undefined;
    this.#idle?.refresh();
    return this.#body.take(bytes);
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#inner.onRequestStart?.(this.#of(controller), context);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    ...[status, headers, message]: [number, Record<string, string | string[] | undefined>, string?]
  ): void {
    const own = this.#of(controller);
    this.#inner.onResponseStart?.(own, status, headers, message);
    if (status < 200) return;
    this.#idle ??= setTimeout(() => this.#onIdle(own), this.#options.idleMs);
    const sizeBytes = bodyLength(status, headers);
    if (sizeBytes === undefined) return;
    this.#body = new DirectBody({
      sizeBytes,
      onPiece: (piece) => this.#inner.onResponseData?.(own, piece),
      resume: this.#options.resume,
      onEnd: () => this.onResponseEnd(controller, {}),
    });
  }

  /** What undici had of the body when its head was read, or all of it. */
  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#idle?.refresh();
    if (this.#isDone) return;
    if (this.take(chunk) === undefined) this.#inner.onResponseData?.(this.#of(controller), chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: Record<string, string>): void {
    if (this.#isDone) return;
    this.#done();
    this.#inner.onResponseEnd?.(this.#of(controller), trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isDone) return;
    this.#done();
    this.#inner.onResponseError?.(this.#of(controller), error);
  }

  #done(): void {
    this.#isDone = true;
    clearTimeout(this.#idle);
    this.#body?.stop();
    // Not in the middle of what undici does.
    setImmediate(this.#options.onDone);
  }

  #onIdle(controller: Controller): void {
    // Who reads takes its time: that is not the server's fault.
    if (controller.paused) this.#idle?.refresh();
    else controller.abort(new errors.BodyTimeoutError());
  }
}

/** Only what is whole behind its head, and as long as that says. */
function bodyLength(
  status: number,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): number | undefined {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  if ((status !== 200 && status !== 206) || encoding !== undefined) return undefined;
  return typeof length === "string" && /^[1-9]\d{0,14}$/.test(length) ? Number(length) : undefined;
}

/** As undici's, but a body that is taken over is what is paused. */
class Controller implements Dispatcher.DispatchController {
  readonly #inner: Dispatcher.DispatchController;
  readonly #body: () => DirectBody | undefined;

  constructor(inner: Dispatcher.DispatchController, body: () => DirectBody | undefined) {
    this.#inner = inner;
    this.#body = body;
  }

  get aborted(): boolean {
    return this.#inner.aborted;
  }

  get reason(): Error | null {
    return this.#inner.reason;
  }

  get rawHeaders(): Buffer[] | string[] | Record<string, string | string[] | undefined> | null {
    return this.#inner.rawHeaders ?? null;
  }

  get paused(): boolean {
    return this.#body()?.isPaused ?? this.#inner.paused;
  }

  abort(reason: Error): void {
    this.#inner.abort(reason);
  }

  pause(): void {
    const body = this.#body();
    if (body === undefined) this.#inner.pause();
    else body.pause();
  }

  resume(): void {
    const body = this.#body();
    if (body === undefined) this.#inner.resume();
    else body.resume();
  }
}
