import { type DiffId, sha256 } from "@tsbuild/base";
import { type TarEntry, type TarMember, writeTar } from "@tsbuild/oci";
import { expect, test } from "vitest";
import { type ComparedImage, imageDifference } from "../src/verify/compare.ts";
import { layerDifference } from "../src/verify/compare-layers.ts";

function file(path: string, text: string, entry: Partial<TarEntry> = {}): TarMember {
  const body = Buffer.from(text);
  const common = { type: "file", mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n } as const;
  return { entry: { ...common, path, size: body.length, ...entry }, body };
}

const differ = (a: readonly TarMember[], b: readonly TarMember[]) =>
  layerDifference(writeTar(a), writeTar(b));

const LONG = "x".repeat(300_000);

test.each([
  ["nothing", [file("a", LONG)], [file("a", LONG)], undefined],
  [
    "content",
    [file("a", `${LONG}1z`)],
    [file("a", `${LONG}2z`)],
    ["/a", "content from byte 300000 on", '"1z"', '"2z"'],
  ],
  ["bytes", [file("a", "a\0b")], [file("a", "a\x01b")], ["/a", "content from byte 1 on", "0x0062", "0x0162"]],
  ["length", [file("a", "x")], [file("a", "xy")], ["/a", "size", "1", "2"]],
  ["mode", [file("a", "x")], [file("a", "x", { mode: 0o4755 })], ["/a", "mode", "0644", "04755"]],
  ["owner", [file("a", "x", { uid: 1 })], [file("a", "x", { gid: 2 })], ["/a", "owner", "1:0", "0:2"]],
  [
    "time",
    [file("a", "x", { mtimeNs: 1_000_000_000_000_000_001n })],
    [file("a", "x", { mtimeNs: -1n })],
    ["/a", "time", "2001-09-09T01:46:40.000000001Z", "1969-12-31T23:59:59.999999999Z"],
  ],
  [
    "attributes",
    [file("a", "x", { xattrs: [{ name: "user.a", value: Buffer.from("v") }] })],
    [file("a", "x")],
    ["/a", "attributes", "user.a=0x76", "none"],
  ],
  // As a walk has it: what is in a folder comes before its next neighbour, whatever the bytes between.
  [
    "presence",
    [file("a/b", "x"), file("a.c", "y")],
    [file("a.c", "y")],
    ["/a/b", "presence", "a file, 1 bytes", "not there"],
  ],
  [
    "presence at the end",
    [file("a", "x")],
    [file("a", "x"), file("b", "y")],
    ["/b", "presence", "not there", "a file, 1 bytes"],
  ],
] as const)("the first difference: %s", async (_what, a, b, wanted) => {
  const found = await differ(a, b);
  expect(found && [found.path, found.attribute, found.first, found.second]).toEqual(wanted);
});

test("of images: the layer with its step, then the config", async () => {
  const image = (id: string, text: string, env: readonly string[]): ComparedImage => ({
    id: sha256(id),
    config: {
      architecture: "amd64",
      os: "linux",
      config: { Env: [...env] },
      rootfs: { type: "layers", diff_ids: [] },
      history: [{ created_by: "ENV A=1", empty_layer: true }, { created_by: "RUN make" }],
    },
    layers: [{ diffId: sha256(text) as string as DiffId, open: () => writeTar([file("f", text)]) }],
  });
  expect(await imageDifference(image("same", "1", []), image("same", "2", []))).toBeUndefined();
  expect(await imageDifference(image("a", "1", ["A=1"]), image("b", "2", ["A=2"]))).toEqual({
    layer: { number: 1, of: 1, step: "RUN make" },
    path: "/f",
    attribute: "content from byte 0 on",
    first: '"1"',
    second: '"2"',
  });
  expect(await imageDifference(image("a", "1", ["A=1", "B"]), image("b", "1", ["A=1", "C"]))).toEqual({
    path: "config.Env[1]",
    attribute: "value",
    first: '"B"',
    second: '"C"',
  });
});
