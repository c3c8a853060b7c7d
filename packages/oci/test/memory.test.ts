import { describe, expect, test } from "vitest";
import { release, releaseAll, released } from "../src/memory.ts";

describe("memory that is given back", () => {
  test("is empty, and giving it back again does nothing", () => {
    const buffer = new Uint8Array(64);
    release(buffer);
    expect(buffer.buffer.detached).toBe(true);
    expect(buffer.length).toBe(0);
    expect(() => release(buffer)).not.toThrow();
    expect(() => releaseAll([buffer])).not.toThrow();
  });

  test("stays while others own a part of it", () => {
    const memory = new ArrayBuffer(64);
    release(new Uint8Array(memory, 0, 32));
    expect(memory.detached).toBe(false);
  });

  test("of a stream's chunk is given back when the next one is asked for", async () => {
    const memory = new ArrayBuffer(64);
    const chunks = [new Uint8Array(32), new Uint8Array(32), new Uint8Array(memory, 0, 32)];
    const lengths: number[] = [];
    for await (const chunk of released(ReadableStream.from(chunks))) lengths.push(chunk.length);
    expect(lengths).toEqual([32, 32, 32]);
    expect(chunks.map((chunk) => chunk.length)).toEqual([0, 0, 32]);
  });

  test("is given back once for all pieces cut from it", () => {
    const memory = new ArrayBuffer(64);
    releaseAll([new Uint8Array(memory, 0, 32), new Uint8Array(memory, 32)]);
    expect(memory.detached).toBe(true);
  });
});
