/** What the native program says on the control socket; native/sandbox/src/supervise.h describes it. */
export type Frame =
  | { readonly type: "output"; readonly stream: 1 | 2; readonly data: Uint8Array }
  | {
      readonly type: "exited";
      /** As wait(2) has it. */
      readonly waitStatus: number;
      /** PID 1 of the sandbox was killed from outside. */
      readonly initKilled: boolean;
      readonly cpuUs: number;
      /** Largest resident size of any one process. */
      readonly peakBytes: number;
    }
  | {
      readonly type: "failed";
      /** Index of the plan's operation; -1 before the first. */
      readonly line: number;
      readonly errno: number;
      readonly call: string;
      readonly text: string;
    }
  /** The step waits for its network; `initPid` is its PID 1, as this process sees it. */
  | { readonly type: "network"; readonly initPid: number };

const HEADER_BYTES = 8;
const TYPE_EXITED = 3;
const TYPE_FAILED = 4;
const TYPE_NETWORK = 5;

function parseFrame(type: number, payload: Buffer): Frame {
  if (type === 1 || type === 2) return { type: "output", stream: type, data: payload };
  if (type === TYPE_EXITED) {
    return {
      type: "exited",
      waitStatus: payload.readUInt32LE(0),
      initKilled: payload.readUInt32LE(4) !== 0,
      cpuUs: Number(payload.readBigUInt64LE(8)),
      peakBytes: Number(payload.readBigUInt64LE(16)),
    };
  }
  if (type === TYPE_NETWORK) return { type: "network", initPid: payload.readUInt32LE(0) };
  if (type !== TYPE_FAILED) throw new Error(`unknown frame ${type} from the sandbox`);
  const [call = "", text = ""] = payload.toString("utf8", 8).split("\0");
  return { type: "failed", line: payload.readInt32LE(0), errno: payload.readInt32LE(4), call, text };
}

/** Cuts the socket's chunks into frames. `push` returns those that became complete; output shares memory with the chunks. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Frame[] {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + bytes.readUInt32LE(4);
      if (bytes.length < end) break;
      frames.push(parseFrame(bytes.readUInt32LE(0), bytes.subarray(HEADER_BYTES, end)));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return frames;
  }
}
