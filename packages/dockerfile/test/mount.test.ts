import { TsbuildError } from "@tsbuild/base";
import { parseMount } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

const asIs = (word: string): string => word;

function failure(text: string): TsbuildError {
  try {
    parseMount(text, asIs);
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error(`expected a failure: ${text}`);
}

describe("mounts", () => {
  it("are read-only binds by default", () => {
    expect(parseMount("target=/x,from=stage,source=/y", asIs)).toEqual({
      type: "bind",
      from: "stage",
      source: "/y",
      target: "/x",
      id: "",
      readonly: true,
      required: false,
      sizeBytes: 0,
    });
  });

  it.each<[string, object]>([
    [
      "type=cache,dst=/c,sharing=LOCKED,uid=1,mode=0750",
      { readonly: false, sharing: "locked", uid: 1, mode: 0o750 },
    ],
    ["type=cache,target=/c,ro", { readonly: true }],
    ["type=bind,target=/c,rw=true", { readonly: false }],
    ["type=tmpfs,target=/t,size=1.5m", { sizeBytes: 1.5 * 1024 * 1024, readonly: false }],
    ["type=secret,id=x,required,env=T", { id: "x", required: true, env: "T", readonly: true }],
    ["type=ssh,required=false", { required: false }],
    ['type=bind,"source=a,""b""",target=/x', { source: 'a,"b"' }],
  ])("%s", (text, expected) => {
    expect(parseMount(text, asIs)).toMatchObject(expected);
  });

  it("expand every value", () => {
    const expand = (word: string) => word.replaceAll("$T", "cache");
    expect(parseMount("type=$T,id=$T-1,target=/x", expand)).toMatchObject({ type: "cache", id: "cache-1" });
  });

  it.each([
    ["type=bnd,target=/x", "did you mean bind?"],
    ["typ=bind", "did you mean type?"],
    ["target", "did you mean target?"],
    ["type=cache,sharing=lockd", "did you mean locked?"],
    ["size=1m", "only with type tmpfs; write type=… first"],
    ["type=bind,target=/x,mode=0400", "only with type secret, ssh, cache"],
    ["type=secret,id=a,sharing=shared", "only with type cache"],
    ["type=cache,target=/x,uid=root", "a number up to 4294967294, not a name"],
    ["type=cache,mode=0999", "octal"],
    ["type=secret", "for example: --mount=type=secret,id=token"],
    ['type=bind,source=a"b', "quote a whole field"],
  ])("%s", (text, hint) => {
    expect(failure(text)).toMatchObject({ code: "TSB_DOCKERFILE", hint: expect.stringContaining(hint) });
  });

  it("end soon on hostile lists", () => {
    expect(failure(`"${'""'.repeat(500_000)}`).message).toContain("out of place");
    expect(failure("x,".repeat(500_000)).message).toContain("no key=value");
  });
});

it("reads an open quote in linear time", () => {
  const open = `"${"type=tmpfs,target=/t ".repeat(5000)}`;
  expect(() => parseMount(open, (word) => word)).toThrow("out of place");
});
