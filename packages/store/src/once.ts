/** The work, done at the first call only: also when that one throws, as a descriptor that could not be closed is closed all the same. */
export function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
