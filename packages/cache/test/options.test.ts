import { describe, expect, test } from "vitest";
import { CacheOptions, checkInline, localSourcePlace, mountChoice, targetSettings } from "../src/options.ts";

/** The options that BuildKit's pages name for each type (V030–V034), with a value each. */
const TO: Readonly<Record<string, string>> = {
  inline: "mode=min",
  registry:
    "ref=r/x mode=max image-manifest=true oci-mediatypes=true compression=zstd compression-level=3 force-compression=true ignore-error=true registry.insecure=true",
  local:
    "dest=d mode=max tag=t compression=gzip compression-level=3 force-compression=true ignore-error=true reset=true oci-mediatypes=true image-manifest=true",
  gha: "url=u url_v2=u token=t scope=s mode=max ignore-error=true timeout=10m repository=a/b ghtoken=t version=2",
  s3: "bucket=b region=r name=n;m prefix=p blobs_prefix=b manifests_prefix=m endpoint_url=u use_path_style=true access_key_id=a secret_access_key=s session_token=t touch_refresh=24h upload_parallelism=4 mode=max ignore-error=true retry_mode=standard retry_max_attempts=3",
};

const FROM: Readonly<Record<string, string>> = {
  registry: "ref=r/x registry.insecure=true",
  local: `src=d tag=t digest=sha256:${"a".repeat(64)}`,
  gha: "url=u url_v2=u token=t scope=s timeout=10m repository=a/b ghtoken=t version=2",
  s3: "bucket=b region=r name=n prefix=p blobs_prefix=b manifests_prefix=m endpoint_url=u use_path_style=true access_key_id=a secret_access_key=s session_token=t",
};

function options(flag: "--cache-to" | "--cache-from", type: string, text: string): CacheOptions {
  const attrs = Object.fromEntries(
    text
      .split(" ")
      .filter((pair) => pair !== "")
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
  return new CacheOptions(flag, { type, attrs });
}

const to = (type: string, text: string) => options("--cache-to", type, text);

describe("options of shared caches", () => {
  test.each(Object.entries(TO))("--cache-to type=%s takes all that BuildKit's takes", (type, text) => {
    expect(targetSettings(to(type, text)).mode).toBe(/mode=max/.test(text) ? "max" : "min");
  });

  test.each(Object.entries(FROM))("--cache-from type=%s takes all that BuildKit's takes", (type, text) => {
    expect(options("--cache-from", type, text).type).toBe(type);
  });

  test.each([
    [() => to("azblob", ""), /unknown type "azblob".*/, /registry, local, inline, gha, s3/],
    [() => options("--cache-from", "inline", ""), /unknown type "inline"/, /type=registry,ref=IMAGE/],
    [() => to("local", "dest=d moed=max"), /unknown option "moed"/, /did you mean mode=/],
    [() => targetSettings(to("local", "dest=d mode=mid")), /mode="mid"/, /min or max/],
    [() => checkInline(to("inline", "mode=max")), /mode=max is not possible/, /type=registry/],
    [() => targetSettings(to("s3", "ignore-error=maybe")), /neither true nor false/, undefined],
    [() => mountChoice(to("local", "include=mount")), /include="mount" is not known/, /include=mounts:ID/],
    [() => localSourcePlace(options("--cache-from", "local", "src=d digest=abc")), /not sha256:/, undefined],
  ])("%s says what is wrong and what to type", (make, message, hint) => {
    const error: unknown = (() => {
      try {
        return make();
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toMatchObject({
      code: "TSB_USAGE",
      message: expect.stringMatching(message),
      ...(hint === undefined ? {} : { hint: expect.stringMatching(hint) }),
    });
  });

  test("include names cache mounts, several with a semicolon", () => {
    expect(mountChoice(to("local", "include=mounts:/go;mounts:npm"))).toEqual(["/go", "npm"]);
    expect(mountChoice(to("local", "include=mounts"))).toBe("all");
    expect(mountChoice(to("local", ""))).toBe("none");
  });
});
