import { readFileSync } from "node:fs";
import { startRegistry } from "@tsbuild/testkit";
import { expect, test } from "vitest";
import { publishImage } from "./published.ts";
import { busyboxTar, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: what is done before a push: ${reason}`);

test.skipIf(reason !== undefined)(
  "a registry is asked for the layers of the base and for uploads while steps run, and not a second time by the push",
  async () => {
    const world = new World();
    const registry = await startRegistry();
    try {
      const tar = readFileSync(await busyboxTar(world));
      const { layer } = publishImage(registry, { repository: "team/base", tag: "1", tar, env: [] });
      const asked = `HEAD /v2/team/app/blobs/${layer}`;
      const requests = () => registry.requests.map(({ method, path }) => `${method} ${path}`);
      const opened = "POST /v2/team/app/blobs/uploads/";
      const isReady = () => [asked, opened].every((request) => requests().includes(request));
      // The step waits for that: it sees this as long as the registry has not been asked.
      registry.onRequest = ({ path }) =>
        path === "/asked" ? { type: "status", status: isReady() ? 200 : 404 } : undefined;
      const folder = world.context("app", {
        Dockerfile: [
          `FROM ${registry.host}/team/base:1`,
          `RUN i=0; until wget -q -O /asked http://${registry.host}/asked; do i=$((i+1)); [ $i -lt 2000 ]; sleep 0.1; done`,
        ].join("\n"),
      });
      const network = ["--network=host", "--allow", "network.host"];
      await world.build(folder, ...network, "--push", "-t", `${registry.host}/team/app:1`);
      expect(requests().filter((request) => request === asked)).toHaveLength(1);
      const uploads = requests().filter((request) => request.includes("/team/app/blobs/uploads/"));
      expect(uploads.map((request) => request.slice(0, 4))).toEqual(["POST", "POST", "PUT ", "PUT "]);
      expect(registry.manifestBytes("team/app", "1")).toBeDefined();
    } finally {
      await registry.close();
      world.close();
    }
  },
  300_000,
);
