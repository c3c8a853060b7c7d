import { TsbuildError } from "@tsbuild/base";
import { CannedImages, requestOfOptions } from "@tsbuild/frontend/debug";
import { describe, expect, test } from "vitest";
import { compile } from "../src/compile.ts";

const known = new CannedImages({ "*": { image: { rootfs: { type: "layers", diff_ids: [] } } } } as never);

async function failure(
  lines: readonly string[],
  options: Readonly<Record<string, string>> = {},
  images = known,
): Promise<TsbuildError> {
  const source = { file: "Dockerfile", text: lines.join("\n"), ignore: undefined };
  try {
    await compile(requestOfOptions(source, options, undefined), images);
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error("it compiles");
}

function places(error: TsbuildError): (number | undefined)[] {
  return [error, ...error.related].map(({ source }) => source?.ranges[0]?.start);
}

describe("mistakes that only compiling finds", () => {
  test("are reported together", async () => {
    const error = await failure([
      "FROM scratch AS a",
      "RUN --mount=type=cache,taregt=/x true",
      "WORKDIR /",
      "EXPOSE nothing",
      "FROM scratch",
      "COPY --chmod=9 x /",
      "RUN --mount=type=cahce,target=/x true",
    ]);
    // Stage `a` is not needed, so it is not looked at.
    expect(places(error)).toEqual([6, 7]);
    expect(error.related[0]?.hint).toBe("did you mean cache?");
  });

  test("of several FROM lines, and of several --from", async () => {
    expect(places(await failure(["ARG v", "FROM $v", "FROM ${v}", "FROM scratch"]))).toEqual([2, 3]);
    expect(places(await failure(["FROM scratch", "COPY --from=$a x /", "COPY --from=7 x /"]))).toEqual([
      2, 3,
    ]);
  });
});

describe("near misses", () => {
  test("mount keys and targets", async () => {
    const mount = await failure(["FROM scratch", "RUN --mount=type=cache,taregt=/x true"]);
    expect(mount.hint).toBe("did you mean target?");
    const target = await failure(["FROM scratch AS build"], { target: "biuld" });
    expect(target.hint).toBe("did you mean build?");
  });

  test("a stage that is taken for an image, whatever the registry advises", async () => {
    const unknown = new CannedImages({ "*": { error: "pull access denied" } } as never);
    const error = await failure(
      ["FROM scratch AS build", "FROM scratch", "COPY --from=biuld x /"],
      {},
      unknown,
    );
    expect(error).toMatchObject({ message: "pull access denied", hint: "did you mean build?" });
    expect(places(error)).toEqual([3]);
  });

  test("build arguments that a FROM uses", async () => {
    const error = await failure(["ARG VERSION=1", "FROM $VERSOIN"]);
    expect(error.hint).toBe("did you mean VERSION?");
  });
});

test("a heredoc whose name has folders is told where they go", async () => {
  const error = await failure(["FROM scratch", "COPY <<etc/app.conf /x/", "a=b", "etc/app.conf"]);
  expect(error.message).toContain('the heredoc "etc/app.conf" cannot be a file');
  expect(error.hint).toContain("COPY <<app.conf /path/to/app.conf");
  expect(places(error)).toEqual([2]);
});
