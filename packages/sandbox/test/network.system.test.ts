/** Private networks from inside a user namespace: what a rootless build has. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const program = `
import { mkdtempSync, rmSync } from "node:fs";
import { spawnSync } from "node:child_process";
const { createNetworkPool } = await import(process.argv[1]);
const folder = mkdtempSync("/tmp/tsbuild-network-");
const pool = createNetworkPool({
  binary: process.argv[2], choice: process.argv[3], path: process.env.PATH,
  temporaryFolder: () => folder, proofFile: folder + "/proof",
});
const { fd } = await pool.acquire({ onDemand: false });
const made = spawnSync("nsenter", ["--net=/proc/" + process.pid + "/fd/" + fd, "cat", "/proc/net/route"]);
console.log(made.stdout + "" + made.stderr);
await pool.close();
rmSync(folder, { recursive: true });
`;

const PROVIDERS = ["slirp4netns", "pasta"].filter((name) => {
  const there = existsSync(`/usr/bin/${name}`) && existsSync("/dev/net/tun") && process.getuid?.() === 0;
  if (!there) console.log(`skipped: ${name} in a user namespace: needs root, ${name} and /dev/net/tun`);
  return there;
});

describe.skipIf(PROVIDERS.length === 0)("in a user namespace", () => {
  test.each(PROVIDERS)("%s connects a network", (provider) => {
    const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const { stdout, stderr } = spawnSync(
      "unshare",
      [
        ...[
          "--user",
          "--mount",
          "--map-root-user",
          process.execPath,
          "--disable-warning=ExperimentalWarning",
        ],
        ...["--input-type=module", "-e", program],
        ...[at("../src/index.ts"), at("../../../native/build/tsbuild-sandbox"), provider],
      ],
      { encoding: "utf8" },
    );
    expect(stderr).toBe("");
    // The gateway 10.0.2.2 of the default route, as /proc has it.
    expect(stdout).toMatch(/\t00000000\t0202000A\t/);
  });
});
