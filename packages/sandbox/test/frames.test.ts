import { expect, test } from "vitest";
import { type Frame, FrameReader } from "../src/frames.ts";

function frame(type: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

const exited = Buffer.alloc(24);
exited.writeUInt32LE(0x0300, 0);
exited.writeBigUInt64LE(1500n, 8);
exited.writeBigUInt64LE(4096n, 16);

const failed = Buffer.alloc(8);
failed.writeInt32LE(-1, 0);
failed.writeInt32LE(2, 4);

const bytes = Buffer.concat([
  frame(1, Buffer.from("out")),
  frame(2, Buffer.from("err")),
  frame(3, exited),
  frame(4, Buffer.concat([failed, Buffer.from("openat2\0/mnt\0")])),
]);

const expected: Frame[] = [
  { type: "output", stream: 1, data: Buffer.from("out") },
  { type: "output", stream: 2, data: Buffer.from("err") },
  { type: "exited", waitStatus: 0x0300, initKilled: false, cpuUs: 1500, peakBytes: 4096 },
  { type: "failed", line: -1, errno: 2, call: "openat2", text: "/mnt" },
];

test.each([1, 2, 5, 9, 1000])("frames come out whole from chunks of %i bytes", (size) => {
  const reader = new FrameReader();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
  expect(frames).toEqual(expected);
});

test("an unknown frame is a bug, not data", () => {
  expect(() => new FrameReader().push(frame(9, Buffer.alloc(0)))).toThrow(/unknown frame 9/);
});
