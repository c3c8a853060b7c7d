import { expect, test } from "vitest";
import { whenUsed } from "../src/boot/program.ts";

test("a module of Node is loaded at the first use, and its names can be copied, as import() does", () => {
  let loads = 0;
  const make = () =>
    whenUsed(() => {
      loads++;
      return { createZstdDecompress: () => "stream" };
    }) as { readonly createZstdDecompress: () => string };
  const used = make();
  expect(loads).toBe(0);
  expect(used.createZstdDecompress()).toBe("stream");
  expect(Object.getOwnPropertyNames(make())).toEqual(["createZstdDecompress"]);
  expect({ ...make() }.createZstdDecompress()).toBe("stream");
  expect("createZstdDecompress" in make()).toBe(true);
  expect(loads).toBe(4);
});
