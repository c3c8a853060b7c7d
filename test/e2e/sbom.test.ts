import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: bills of materials: ${reason}`);

interface Statement {
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicate: Readonly<Record<string, unknown>> & {
    readonly packages?: readonly { readonly name: string }[];
  };
}

describe.skipIf(reason !== undefined)("a bill of materials", () => {
  const world = new World();
  let folder: string;
  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("app", {
      Dockerfile: [
        "FROM busybox AS tools",
        "ARG BUILDKIT_SBOM_SCAN_STAGE=true",
        "COPY tools.json /t/node_modules/tool/package.json",
        "FROM busybox",
        "COPY package.json /app/node_modules/left-pad/package.json",
        "COPY --from=tools /t/node_modules/tool/package.json /copied",
      ].join("\n"),
      "package.json": '{"name":"left-pad","version":"1.3.0","license":"WTFPL"}',
      "tools.json": '{"name":"tool","version":"2.0.0"}',
    });
  }, 300_000);
  afterAll(() => world.close());

  /** The statements in the attestation manifests of a layout folder, and the digests of its images. */
  function statementsIn(layout: string): { readonly statements: Statement[]; readonly images: string[] } {
    const blob = (digest: string) =>
      JSON.parse(readFileSync(join(layout, "blobs", digest.replace(":", "/")), "utf8"));
    const top = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")).manifests[0];
    const { manifests = [] } = blob(top.digest) as {
      manifests?: { digest: string; annotations?: Record<string, string> }[];
    };
    const attested = manifests.filter(
      ({ annotations }) => annotations?.["vnd.docker.reference.type"] === "attestation-manifest",
    );
    return {
      statements: attested.flatMap(({ digest }) =>
        blob(digest).layers.map((layer: { digest: string }) => blob(layer.digest)),
      ),
      images: manifests.filter((one) => !attested.includes(one)).map(({ digest }) => digest),
    };
  }

  const namesOf = ({ predicate: { packages = [] } }: Statement) => packages.map(({ name }) => name);

  test("made here: of the image, and of the stage that asks for it; nothing without the flag", async () => {
    const layout = world.path("layout");
    await world.ok([
      "build",
      "-q",
      "--sbom",
      "-t",
      "app:1",
      "-o",
      `type=oci,dest=${layout},tar=false`,
      folder,
    ]);
    const { statements, images } = statementsIn(layout);
    expect(statements.map(({ predicateType }) => predicateType)).toEqual(
      Array(2).fill("https://spdx.dev/Document"),
    );
    expect(statements.map(namesOf)).toEqual([
      ["app:1", "left-pad"],
      ["tools", "tool"],
    ]);
    expect(statements[0]?.subject).toEqual([
      {
        name: expect.stringContaining("pkg:docker/app@1"),
        digest: { sha256: images[0]?.replace("sha256:", "") },
      },
    ]);
    const once = JSON.stringify(statements);
    await world.ok([
      "build",
      "-q",
      "--sbom",
      "-t",
      "app:1",
      "-o",
      `type=oci,dest=${layout}2,tar=false`,
      folder,
    ]);
    expect(JSON.stringify(statementsIn(`${layout}2`).statements)).toBe(once);
    await world.ok(["build", "-q", "-t", "app:1", "-o", `type=oci,dest=${layout}3,tar=false`, folder]);
    expect(statementsIn(`${layout}3`).statements).toEqual([]);
  }, 300_000);

  test("beside the files of a local output", async () => {
    const out = world.path("out");
    await world.ok(["build", "-q", "--attest", "type=sbom", "-o", out, folder]);
    const statement: Statement = JSON.parse(readFileSync(join(out, "sbom.spdx.json"), "utf8"));
    expect(namesOf(statement)).toEqual(["image", "left-pad"]);
    expect(statement.subject.map(({ name }) => name)).toContain("app/node_modules/left-pad/package.json");
    expect(existsSync(join(out, "sbom-tools.spdx.json"))).toBe(true);
  }, 300_000);

  test("by a scanner with BuildKit's protocol: it sees result and stages read-only, and runs once", async () => {
    const script = [
      "#!/bin/sh",
      "set -e",
      'write() { printf \'{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://spdx.dev/Document","predicate":{"files":"%s","mode":"%s"}}\' "$2" "$BUILDKIT_SCAN_mode" > "$BUILDKIT_SCAN_DESTINATION/$(basename $1).spdx.json"; }',
      'touch "$BUILDKIT_SCAN_SOURCE/x" 2>/dev/null && exit 1',
      'write "$BUILDKIT_SCAN_SOURCE" "$(ls $BUILDKIT_SCAN_SOURCE/app/node_modules)"',
      'for extra in "$BUILDKIT_SCAN_SOURCE_EXTRAS"*; do write "$extra" "$(ls $extra/t/node_modules)"; done',
      "echo ignored > $BUILDKIT_SCAN_DESTINATION/other.txt",
    ].join("\n");
    const scanner = world.context("scanner", {
      Dockerfile: 'FROM busybox\nCOPY --chmod=755 scan /scan\nENTRYPOINT ["/bin/sh"]\nCMD ["/scan"]\n',
      scan: script,
    });
    await world.ok(["build", "-q", "-t", "scanner", scanner]);
    const out = world.path("scanned");
    const build = ["build", "--sbom=generator=scanner,mode=fast", "-o", out, folder];
    await world.ok(build);
    expect(readdirSync(out).filter((name) => name.endsWith(".json"))).toEqual([
      "sbom-tools.spdx.json",
      "sbom.spdx.json",
    ]);
    const read = (name: string): Statement => JSON.parse(readFileSync(join(out, name), "utf8"));
    expect(read("sbom.spdx.json").predicate).toEqual({ files: "left-pad", mode: "fast" });
    expect(read("sbom-tools.spdx.json").predicate).toEqual({ files: "tool", mode: "fast" });
    expect(existsSync(join(out, "other.txt"))).toBe(false);
    const again = await world.ok([...build, "--progress=plain"]);
    expect(again.stderr).toMatch(/CACHED.*generating sbom|generating sbom[^\n]*\n[^\n]*CACHED/);
  }, 300_000);

  test("a scanner that writes nothing, and options that nobody knows", async () => {
    const idle = world.context("idle", { Dockerfile: 'FROM busybox\nCMD ["true"]\n' });
    await world.ok(["build", "-q", "-t", "idle", idle]);
    const failed = await world.tsbuild(["build", "--sbom=generator=idle", "-o", world.path("none"), folder]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("the scanner idle wrote no *.spdx.json");
    const wrong = await world.tsbuild(["build", "--sbom=genrator=idle", folder]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean generator?");
  }, 300_000);
});
