import { type Digest, monotonicMs } from "@tsbuild/base";

/** A registry may drop blobs that no manifest needs: an answer is not relied on for longer. */
const GOOD_FOR_MS = 10 * 60 * 1000;

interface Asked {
  readonly answer: Promise<boolean>;
  readonly atMs: number;
}

/** Answers to "is it there?" that were got ahead of a push. */
export class ExpectedBlobs {
  readonly #asked = new Map<string, Asked>();

  /** Of each blob once. `ask` does not reject. */
  async ask(
    repository: string,
    digests: readonly Digest[],
    ask: (digest: Digest) => Promise<boolean>,
  ): Promise<void> {
    const atMs = monotonicMs();
    const others = digests.filter((digest) => !this.#asked.has(`${repository} ${digest}`));
    const asked = others.map((digest) => ({ digest, answer: ask(digest) }));
    for (const { digest, answer } of asked) this.#asked.set(`${repository} ${digest}`, { answer, atMs });
    await Promise.all(asked.map(({ answer }) => answer));
  }

  /** Whether it is known to be there; waits for an answer that is on its way. False: nothing is known. */
  async isThere(repository: string, digest: Digest): Promise<boolean> {
    const asked = this.#asked.get(`${repository} ${digest}`);
    if (asked === undefined || monotonicMs() - asked.atMs > GOOD_FOR_MS) return false;
    return asked.answer;
  }
}
