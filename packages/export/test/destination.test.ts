import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeFolder, writeArchive } from "../src/destination.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbuild-export-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function* archive(failure?: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from("first ");
  if (failure !== undefined) throw failure;
  yield Buffer.from("second");
}

function options(stdout: NodeJS.WritableStream = new PassThrough(), signal = new AbortController().signal) {
  return { signal, stdout };
}

describe("writeArchive", () => {
  test("replaces a file when all is there", async () => {
    const path = join(folder, "out.tar");
    writeFileSync(path, "old");
    await writeArchive(archive(), path, options());
    expect(readFileSync(path, "utf8")).toBe("first second");
    expect(readdirSync(folder)).toEqual(["out.tar"]);
  });

  test("leaves the old file and nothing else when the image fails", async () => {
    const path = join(folder, "out.tar");
    writeFileSync(path, "old");
    await expect(writeArchive(archive(new Error("no layer")), path, options())).rejects.toThrow("no layer");
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["out.tar"]);
  });

  test("writes through a link, also to what is not there yet", async () => {
    const [link, target] = [join(folder, "link"), join(folder, "target.tar")];
    symlinkSync("target.tar", link);
    for (const old of [undefined, "old"]) {
      if (old !== undefined) writeFileSync(target, old);
      await writeArchive(archive(), link, options());
      expect([readlinkSync(link), readFileSync(target, "utf8")]).toEqual(["target.tar", "first second"]);
    }
    symlinkSync("loop", join(folder, "loop"));
    await expect(writeArchive(archive(), join(folder, "loop"), options())).rejects.toThrow(
      /cannot write.*loop/,
    );
  });

  test.each([
    [() => writeArchive(archive(), "/proc/x.tar", options()), /nothing can be made in \/proc/],
    [() => makeFolder("/proc/x/y"), /nothing can be made in \/proc/],
    [
      () => writeArchive(archive(), join(folder, "no/x.tar"), options()),
      /make the folder first: mkdir -p .*\/no$/,
    ],
    [() => makeFolder("/etc/passwd"), /it is a file: name a folder/],
  ])("says what to do where nothing can be written: %#", async (write, hint) => {
    await expect(write()).rejects.toMatchObject({ code: "TSB_EXPORT", hint: expect.stringMatching(hint) });
  });

  test("leaves nothing when it is canceled", async () => {
    const abort = new AbortController();
    const endless = (async function* () {
      for (let round = 0; ; round++) {
        if (round === 3) abort.abort();
        yield Buffer.alloc(100_000);
      }
    })();
    await expect(writeArchive(endless, join(folder, "x"), options(undefined, abort.signal))).rejects.toThrow(
      "aborted",
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("writes to standard output, and leaves it open", async () => {
    for (const dest of ["-", "", undefined]) {
      const stdout = new PassThrough();
      const chunks: Buffer[] = [];
      stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      await writeArchive(archive(), dest, options(stdout));
      expect(Buffer.concat(chunks).toString()).toBe("first second");
      expect(stdout.writableEnded).toBe(false);
    }
  });

  test("refuses a terminal", async () => {
    const terminal = Object.assign(new PassThrough(), { isTTY: true });
    await expect(writeArchive(archive(), "-", options(terminal))).rejects.toMatchObject({
      code: "TSB_USAGE",
    });
  });

  test("writes into a pipe that is there, and does not replace it", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    const reading = new Promise<string>((resolve, reject) => {
      import("node:fs/promises").then(({ readFile }) => readFile(pipe, "utf8")).then(resolve, reject);
    });
    await writeArchive(archive(), pipe, options());
    expect(await reading).toBe("first second");
  });

  test("names the path and the way out when it cannot", async () => {
    await expect(writeArchive(archive(), folder, options())).rejects.toMatchObject({
      code: "TSB_EXPORT",
      message: expect.stringContaining(`${folder}: it is a folder`),
    });
    const missing = join(folder, "no/such/out.tar");
    await expect(writeArchive(archive(), missing, options())).rejects.toMatchObject({
      code: "TSB_EXPORT",
      message: expect.stringContaining(missing),
      hint: `make the folder first: mkdir -p ${join(folder, "no/such")}`,
    });
  });
});
