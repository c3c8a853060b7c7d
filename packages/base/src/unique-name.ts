/** Hex digits that no other process comes up with: names of files, nonces of keys, no secrets. node:crypto would take 5 ms to load, also for a cached build. */
export function uniqueName(digits: 8 | 16 | 32): string {
  let name = "";
  while (name.length < digits)
    name += Math.trunc(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, "0");
  return name;
}
