import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { standardError, type WriteSome } from "../src/standard-error.ts";

/** What was written at once, and through Node's stream. */
function written(writeSome: WriteSome, isPlain = true) {
  const all: string[] = [];
  let made = 0;
  const stream = () => {
    made += 1;
    return new Writable({
      write: (chunk, _, done) => {
        all.push(`stream: ${chunk}`);
        done();
      },
    });
  };
  const atOnce: WriteSome = (bytes, from) => {
    const count = writeSome(bytes, from);
    all.push(Buffer.from(bytes.subarray(from, from + count)).toString());
    return count;
  };
  return {
    all,
    made: () => made,
    errors: standardError(stream, { writeSome: atOnce, isPlain: () => isPlain }),
  };
}

function fails(code: string): never {
  throw Object.assign(new Error(code), { code });
}

describe("standard error that is no terminal", () => {
  test("is written to at once, a short write after the other, and no stream is made", () => {
    const { all, made, errors } = written((bytes, from) => Math.min(2, bytes.length - from));
    errors.write("abcde");
    errors.write(new Uint8Array([0x66]));
    expect(all).toEqual(["ab", "cd", "e", "f"]);
    expect(errors.isTTY).toBe(undefined);
    expect(made()).toBe(0);
  });

  test("is left to the stream where a reader does not want to be waited for, in order", () => {
    const full = new Set(["cde"]);
    const { all, made, errors } = written((bytes, from) => {
      const rest = Buffer.from(bytes.subarray(from)).toString();
      return full.has(rest) ? fails("EAGAIN") : 2;
    });
    errors.write("abcde");
    errors.write("more");
    errors.on("error", () => undefined);
    expect(all).toEqual(["ab", "stream: cde", "stream: more"]);
    expect(made()).toBe(1);
  });

  test("that takes nothing any more is no error", () => {
    let tries = 0;
    const { all, made, errors } = written(() => {
      tries += 1;
      return fails("EPIPE");
    });
    errors.write("lost");
    errors.write("too");
    expect([all, made(), tries]).toEqual([[], 0, 1]);
  });
});

test("a terminal is Node's stream", () => {
  const { all, made, errors } = written(() => fails("EIO"), false);
  expect(made()).toBe(1);
  errors.write("text");
  expect(all).toEqual(["stream: text"]);
});
