import { TsbuildError } from "@tsbuild/base";
import type { CompileRequest, ImageResolver } from "@tsbuild/frontend";
import { requestOfOptions } from "@tsbuild/frontend/debug";
import type { Store } from "@tsbuild/store";
import { expect, test } from "vitest";
import { compileDockerfile } from "../src/compile.ts";

/** A store that has nothing but the memo. */
function memoOnly(): { readonly store: Store; readonly kept: Map<string, Uint8Array> } {
  const kept = new Map<string, Uint8Array>();
  const memo = {
    get: (kind: string, key: string) => kept.get(`${kind} ${key}`),
    set: (kind: string, key: string, value: Uint8Array) => void kept.set(`${kind} ${key}`, value),
  };
  return { store: { memo } as unknown as Store, kept };
}

/** A registry and a git server whose answers can be changed. */
class World implements ImageResolver {
  digest = `sha256:${"a".repeat(64)}` as const;
  seconds: number | undefined = 1000;
  env = "A=1";
  asked = 0;
  failure: TsbuildError | undefined;

  async resolve() {
    this.asked++;
    if (this.failure !== undefined) throw this.failure;
    const rootfs = { type: "layers" as const, diff_ids: [] };
    const config = { os: "linux", architecture: "amd64", config: { Env: [this.env] }, rootfs };
    return { config: { ...config, history: [{ created_by: "x" }] }, digest: this.digest as never };
  }

  async sourceTime() {
    return this.seconds;
  }
}

function request(text: string, options: Readonly<Record<string, string>> = {}): CompileRequest {
  return requestOfOptions({ file: "Dockerfile", text }, options);
}

const FROM_CONTEXT = { context: "https://git.example.com/app.git", "build-arg:SOURCE_DATE_EPOCH": "context" };

test("an equal request is not compiled again", async () => {
  const { store, kept } = memoOnly();
  const world = new World();
  const first = await compileDockerfile(store, request("FROM a\nRUN b\n"), world);
  expect(kept.size).toBe(1);
  // Seen only by a compilation: the image is the same by its digest.
  world.env = "A=2";
  expect(await compileDockerfile(store, request("FROM a\nRUN b\n"), world)).toEqual(first);
  expect(await compileDockerfile(store, request("FROM a\nRUN c\n"), world)).not.toEqual(first);
  expect(kept.size).toBe(2);
});

test("the password of a URL is not written down", async () => {
  const { store, kept } = memoOnly();
  for (const line of ["ADD https://me:pw@h/f /", "RUN curl https://pw@h/f", "ENV U=http://me:pw@h"])
    await compileDockerfile(store, request(`FROM a\n${line}\n`), new World());
  expect(kept.size).toBe(0);
  for (const line of ["ADD https://h/f /", "RUN curl https://${USER}:$TOKEN@h/f", "ADD ssh://git@h/r.git /"])
    await compileDockerfile(store, request(`FROM a\n${line}\n`), new World());
  expect(kept.size).toBe(3);
});

test("a new base image, and a new time of the context, are seen", async () => {
  const { store } = memoOnly();
  const world = new World();
  const epoch = async (): Promise<number | undefined> => {
    const { platforms } = await compileDockerfile(store, request("FROM a\nRUN b\n", FROM_CONTEXT), world);
    return platforms[0]?.epochSeconds;
  };
  expect(await epoch()).toBe(1000);
  expect(await epoch()).toBe(1000);
  world.seconds = 2000;
  expect(await epoch()).toBe(2000);
  world.env = "A=2";
  world.digest = `sha256:${"b".repeat(64)}` as never;
  const { platforms } = await compileDockerfile(store, request("FROM a\nRUN b\n", FROM_CONTEXT), world);
  expect(platforms[0]?.image.config?.Env).toContain("A=2");
});

test("a base that cannot be resolved any more is told with its line, and asked for once", async () => {
  const { store } = memoOnly();
  const world = new World();
  const text = "# first\nFROM a\nRUN b\n";
  await compileDockerfile(store, request(text), world);
  world.failure = new TsbuildError("TSB_RESOLVE", "gone");
  world.asked = 0;
  const error = await compileDockerfile(store, request(text), world).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ message: "gone", source: { ranges: [{ start: 2 }] } });
  expect(world.asked).toBe(1);
});

test("a time that could not be told and now can is seen, too", async () => {
  const { store } = memoOnly();
  const world = new World();
  const text = "FROM a\nRUN b\n";
  world.seconds = undefined;
  const before = await compileDockerfile(store, request(text, FROM_CONTEXT), world).catch(
    (error: Error) => error,
  );
  world.seconds = 5;
  const after = await compileDockerfile(store, request(text, FROM_CONTEXT), world);
  expect(after).not.toEqual(before);
  expect(after.platforms[0]?.epochSeconds).toBe(5);
});
