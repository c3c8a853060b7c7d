import type { Random } from "./random.ts";

/** Pieces that decide how a Dockerfile is read. */
const TOKENS = [
  "\\\n", "`\n", "\r\n", "\n", "#", "# escape=`\n", "<<EOF", "<<-'E'", "EOF\n", "${", "}", "$", '"', "'", "[", "]",
  ",", "--", "--from=", "=", " ", "\t", "\u00a0", "\ufeff", "ONBUILD ", "FROM ", "RUN ", "COPY ", "\\", "`", "\0", ":-", "//",
].map((text) => Buffer.from(text)); // biome-ignore format: a table

/** The seed with a few stretches removed, repeated, replaced or put in, and bits flipped. */
export function mutate(seed: Uint8Array, random: Random): Uint8Array {
  let data = Buffer.from(seed);
  for (let edits = 1 + random.below(6); edits > 0; edits--) data = edit(data, random);
  return data;
}

function edit(data: Buffer<ArrayBuffer>, random: Random): Buffer<ArrayBuffer> {
  const at = random.below(data.length + 1);
  const end = Math.min(data.length, at + random.below(40));
  const [before, stretch, after] = [data.subarray(0, at), data.subarray(at, end), data.subarray(end)];
  switch (random.below(6)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, ...random.many(2, random.chance(0.05) ? 2000 : 4, () => stretch), after]);
    case 2:
      return Buffer.concat([before, random.pick(TOKENS), after]);
    case 3:
      return Buffer.concat([before, random.pick(TOKENS), data.subarray(at)]);
    case 4: {
      const from = random.below(data.length + 1);
      return Buffer.concat([before, data.subarray(from, from + random.below(60)), data.subarray(at)]);
    }
    default:
      return Buffer.from(data.map((byte, index) => (index === at ? byte ^ (1 << random.below(8)) : byte)));
  }
}
