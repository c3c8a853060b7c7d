import { mkdirSync, writeFileSync } from "node:fs";
import { runOk, type World } from "../e2e/world.ts";
import { startService } from "./service.ts";

/** Debian's docker-registry on a loopback port, with its storage in the world's folder. */
export interface RegistryServer {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Pushes one image of an OCI layout folder (`FOLDER:TAG`) by skopeo. */
  push(layout: string, name: string): Promise<void>;
  /** Bytes of a manifest as the registry has them. */
  manifest(name: string): Promise<Buffer>;
  close(): Promise<void>;
}

export interface RegistryServerOptions {
  /** Folder in the world, for more than one server. Default `registry`. */
  readonly name?: string | undefined;
  /** The `auth` section of its configuration. */
  readonly auth?: Readonly<Record<string, unknown>> | undefined;
  /** `http.tls`: paths of certificate and key, authorities of clients. */
  readonly tls?: Readonly<Record<string, unknown>> | undefined;
}

export async function startRegistryServer(
  world: World,
  options: RegistryServerOptions = {},
): Promise<RegistryServer> {
  const { name: folder = "registry", auth, tls } = options;
  const storage = world.path(folder);
  const config = world.path(`${folder}.json`);
  mkdirSync(storage, { recursive: true });
  // JSON is YAML. Port 0: the kernel chooses, the log says which.
  writeFileSync(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage } },
      http: { addr: "127.0.0.1:0", ...(tls === undefined ? {} : { tls }) },
      ...(auth === undefined ? {} : { auth }),
    }),
  );
  const listening = /listening on (127\.0\.0\.1:\d+)/;
  const service = await startService("docker-registry", ["serve", config], { ready: listening });
  const host = listening.exec(service.log())?.[1] ?? "";
  return {
    host,
    push: async (layout, name) => {
      const target = `docker://${host}/${name}`;
      await runOk("skopeo", ["copy", "--quiet", "--dest-tls-verify=false", `oci:${layout}`, target]);
    },
    manifest: async (name) => {
      const { stdout } = await runOk("skopeo", [
        "inspect",
        "--tls-verify=false",
        "--raw",
        `docker://${host}/${name}`,
      ]);
      return Buffer.from(stdout);
    },
    close: async () => void (await service.stop()),
  };
}
