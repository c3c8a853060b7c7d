import { addon, type MembersState } from "./addon.ts";
import { decodeName, decodeNames } from "./names.ts";

/** What a step has done. */
export interface MembersStep {
  /** How many of the bytes it is done with. */
  readonly consumed: number;
  /** How many members it has made. */
  readonly made: number;
}

export interface MadeFolder {
  readonly path: string;
  /** The time that is its when all is made: it has not been set. */
  readonly mtimeNs: bigint;
}

const TIME_BYTES = 12;
const NONE: readonly never[] = [];

function decodeFolders(block: Buffer): MadeFolder[] {
  const folders: MadeFolder[] = [];
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(0, at);
    const mtimeNs = block.readBigInt64LE(end + 1) * 1_000_000_000n + BigInt(block.readUInt32LE(end + 9));
    folders.push({ path: decodeName(block.subarray(at, end)), mtimeNs });
    at = end + 1 + TIME_BYTES;
  }
  return folders;
}

/**
 * Makes the members of an uncompressed layer tar that leave nothing to decide, as its bytes come, below a folder that was empty at first:
 * the caller reads and makes the others, in turn. See core/members.h and core/plain_header.h.
 */
export class PlainMembers {
  readonly #state: MembersState;
  readonly #counts = new BigInt64Array(5);

  /** `root` stays the caller's, and open until `close`. */
  constructor(root: number) {
    this.#state = addon().membersOpen(root);
  }

  /** The bytes that come are of a member that is begun: they belong here. */
  get isInside(): boolean {
    return this.#counts[2] === 1n;
  }

  /**
   * Makes members until the bytes are used up or one comes that is not for it, which begins behind those that are consumed. Throws an errno
   * error with the member's path.
   */
  run(bytes: Uint8Array): MembersStep {
    addon().membersRun(this.#state, bytes, this.#counts);
    return { consumed: Number(this.#counts[0]), made: Number(this.#counts[1]) };
  }

  /** Lets `step` make members in its own call into the addon. */
  within<T>(step: (members: MembersState, counts: BigInt64Array) => T): T {
    return step(this.#state, this.#counts);
  }

  /** Folders made since the last call, in their order. */
  takeFolders(): readonly MadeFolder[] {
    if (this.#counts[3] !== 1n) return NONE;
    this.#counts[3] = 0n;
    return decodeFolders(addon().membersTakeFolders(this.#state));
  }

  /** Paths of everything else made since the last call. */
  takeOthers(): readonly string[] {
    if (this.#counts[4] !== 1n) return NONE;
    this.#counts[4] = 0n;
    return decodeNames(addon().membersTakeOthers(this.#state));
  }

  close(): void {
    addon().membersClose(this.#state);
  }
}
