import { sha256 } from "@tsbuild/base";
import { expect, test } from "vitest";
import { contentKeyId, derivedKey, generationKey, opKey, rootKey, workName } from "../src/keys.ts";

const op = opKey(sha256("op"), 2);
const other = opKey(sha256("op"), 1);
const key = (name: string) => contentKeyId(sha256(name));
const input = (name: string, selector = "") => ({ selector, key: key(name) });

test("every part of a key makes it another key", () => {
  const keys = [
    rootKey(op, 0),
    rootKey(op, 1),
    rootKey(other, 0),
    key("a"),
    key("b"),
    derivedKey(op, 0, []),
    derivedKey(op, 0, [input("a"), input("b")]),
    derivedKey(op, 0, [input("b"), input("a")]),
    derivedKey(op, 1, [input("a"), input("b")]),
    derivedKey(other, 0, [input("a"), input("b")]),
    derivedKey(op, 0, [input("a")]),
    derivedKey(op, 0, [input("a", "/x"), input("b")]),
    derivedKey(op, 0, [input("a"), input("b", "/x")]),
    generationKey(key("a"), "1"),
    generationKey(key("a"), "2"),
    generationKey(key("b"), "1"),
    workName(op, []),
    workName(op, [{ selector: "", identity: "a" }]),
    workName(op, [{ selector: "a", identity: "" }]),
    workName(other, []),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

// A change of these makes every cache in the world miss: then VERSION must change as well.
test("ids stay what they are", () => {
  expect({
    op,
    root: rootKey(op, 0),
    content: key("a"),
    derived: derivedKey(op, 0, [input("a"), input("b", "/x")]),
    generation: generationKey(key("a"), "nonce"),
    work: workName(op, [{ selector: "/x", identity: "snapshot:1" }]),
  }).toMatchInlineSnapshot(`
    {
      "content": "sha256:e14da6152836bea2b488671411eaa66ce51d4b3a8016c5a5af395e766bbab624",
      "derived": "sha256:21f3b88c3354bf99403c24873ffb9dbc4f50d8d2b87a69ece07536a8ae91c15d",
      "generation": "sha256:b60f7575bb5dbdfab989b0b111a5ed897ba99163455fe147c3a3eae810b8b92f",
      "op": "sha256:4aed961d41002857276fa3e9d7301dd64b414a5aedf3d8695915c6727aa9e233",
      "root": "sha256:5edf9b8b0866968cd00114d4416e3d546269584a57492f0d36a5f85e3bd91c46",
      "work": "sha256:afbaeeca95186d354f3501289a392fc910c4164c632329d3ae55df10ff6a61a9",
    }
  `);
});
