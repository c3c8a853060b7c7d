import type { DiffId, Digest } from "@tsbuild/base";
import {
  CannedImages,
  planForm,
  planJson,
  requestOfOptions,
  type StepForms,
  seccompForm,
  stepForms,
} from "@tsbuild/engine/debug";
import { compile } from "@tsbuild/frontend";
import { capabilityNames, type HostFacts } from "@tsbuild/sandbox";
import { describe, expect, test } from "vitest";

const host: HostFacts = {
  seccompMachine: "amd64",
  capabilities: capabilityNames,
  cgroups: { version: 2, mountPoint: "/sys/fs/cgroup", path: "/builder" },
  userNamespace: "none",
};

const digest = `sha256:${"0".repeat(64)}` as Digest;
const rootfs = { type: "layers" as const, diff_ids: [digest as string as DiffId] };
const images = new CannedImages({
  "*": { image: { architecture: "amd64", os: "linux", config: {}, rootfs }, digest },
});

/** The last step of a Dockerfile, on a certain machine. */
async function step(
  text: string,
  machine: Parameters<typeof stepForms>[1] = { host, defaultNetwork: "private" },
): Promise<StepForms> {
  const options = text.includes("LIMITS") ? { "cgroup-parent": "/limits", ulimit: "nofile=64:128" } : {};
  const request = requestOfOptions({ file: "Dockerfile", text }, options as Readonly<Record<string, string>>);
  const { platforms } = await compile(request, images);
  const forms = stepForms(platforms[0]!.graph, machine).at(-1);
  if (forms === undefined) throw new Error("no step");
  return forms;
}

async function matchForms(name: string, forms: StepForms): Promise<void> {
  const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
  /* The profile and its program have tests of their own. */
  const { seccomp, ...linux } = forms.runtime.linux;
  const runtime = {
    ...forms.runtime,
    linux: { ...linux, seccomp: seccomp === undefined ? "none" : "default" },
  };
  await expect(json(forms.spec)).toMatchFileSnapshot(`testdata/steps/${name}.spec.json`);
  await expect(json(runtime)).toMatchFileSnapshot(`testdata/steps/${name}.oci.json`);
  await expect(planForm(forms)).toMatchFileSnapshot(`testdata/steps/${name}.plan`);
}

const mounts = [
  "--mount=type=bind,from=tools,target=/tools",
  "--mount=type=bind,source=src,target=/src,rw",
  "--mount=type=cache,target=/root/.cache,id=pip,sharing=locked",
  "--mount=type=tmpfs,target=/tmp/scratch,size=1m",
  "--mount=type=secret,id=token,target=/run/token",
  "--mount=type=secret,id=key,env=KEY",
  "--mount=type=ssh",
].join(" ");

describe("the forms of a step", () => {
  test.each([
    ["default", "FROM busybox\nRUN true"],
    ["mounts", `FROM busybox AS tools\nRUN make tools\nFROM busybox\nRUN ${mounts} cat /tools/x`],
    ["insecure", "# syntax=docker/dockerfile:1-labs\nFROM busybox\nRUN --security=insecure mount"],
    ["network-none", "FROM busybox\nRUN --network=none true"],
    ["network-host", "FROM busybox\nRUN --network=host true"],
    ["limits", "FROM busybox\nRUN : LIMITS"],
    ["user", "FROM busybox\nWORKDIR /app\nUSER 1000:50\nRUN id"],
  ])("%s", async (name, text) => {
    await matchForms(name, await step(text));
  });

  test("rootless, on a machine that connects no network", async () => {
    const rootless: HostFacts = { ...host, cgroups: { version: 0 }, userNamespace: "single" };
    await matchForms(
      "rootless",
      await step("FROM busybox\nRUN true", { host: rootless, defaultNetwork: "host" }),
    );
  });
});

test("what only the step's files tell is said", async () => {
  const { open, spec } = await step("FROM busybox\nUSER app\nRUN --mount=type=bind,source=a/b,target=/b id");
  expect(open).toEqual([
    "whether /a/b of the mount on /b is a file: taken for a folder",
    'the user "app", to be looked up in /etc/passwd and /etc/group: shown as 65534',
  ]);
  expect(spec.user).toEqual({ uid: 65_534, gid: 65_534, additionalGids: [65_534] });
});

test("a plan is plain JSON, its filter in hexadecimal; the filter is readable apart", async () => {
  const forms = await step("FROM busybox\nRUN true");
  const plan = JSON.parse(JSON.stringify(planJson(forms))) as { ops: { op: string; program?: string }[] };
  expect(plan.ops.map(({ op }) => op)).toEqual(forms.plan.ops.map(({ op }) => op));
  expect(plan.ops.find(({ op }) => op === "seccomp")?.program).toMatch(/^2000000004000000([0-9a-f]{16})+$/);
  const lines = seccompForm(forms).split("\n");
  expect(lines[0]).toBe("# step 1: [2/2] RUN true");
  expect(lines[1]).toBe("   0  A = arch");
  expect(lines.filter((line) => line.endsWith("return KILL_THREAD"))).toHaveLength(1);
  const insecure = await step("FROM busybox\nRUN --security=insecure true");
  expect(seccompForm(insecure)).toBe("# step 1: [2/2] RUN --security=insecure true\n# no filter\n");
});
