import type { ExecMeta, ExecOp, Mount, SecretOptions } from "./op.ts";
import { writeMessage } from "./wire-writer.ts";

/** Numbers of `pb.MountType`, `pb.CacheSharingOpt`, `pb.MountContentCache`, `pb.NetMode`, `pb.SecurityMode`: the index. */
export const mountTypes = ["bind", "secret", "ssh", "cache", "tmpfs"] as const;
export const cacheSharings = ["shared", "private", "locked"] as const;
export const contentCaches = ["default", "on", "off"] as const;
export const networkModes = ["default", "host", "none"] as const;
export const securityModes = ["sandbox", "insecure"] as const;

function encodeProxyEnv(proxy: NonNullable<ExecMeta["proxyEnv"]>): Uint8Array {
  return writeMessage((w) => {
    w.string(1, proxy.http);
    w.string(2, proxy.https);
    w.string(3, proxy.ftp);
    w.string(4, proxy.no);
    w.string(5, proxy.all);
  });
}

/** `pb.Meta`. */
function encodeMeta(meta: ExecMeta): Uint8Array {
  return writeMessage((w) => {
    w.strings(1, meta.args);
    w.strings(2, meta.env);
    w.string(3, meta.cwd);
    w.string(4, meta.user);
    if (meta.proxyEnv !== undefined) w.message(5, encodeProxyEnv(meta.proxyEnv));
    for (const { host, ip } of meta.extraHosts) {
      const entry = writeMessage((m) => {
        m.string(1, host);
        m.string(2, ip);
      });
      w.message(6, entry);
    }
    w.string(7, meta.hostname);
    for (const { name, soft, hard } of meta.ulimits) {
      const limit = writeMessage((m) => {
        m.string(1, name);
        m.int(2, soft);
        m.int(3, hard);
      });
      w.message(9, limit);
    }
    w.string(10, meta.cgroupParent);
    w.bool(11, meta.removeMountStubsRecursive);
    w.packedInts(12, meta.validExitCodes);
  });
}

/** `pb.SecretOpt` and `pb.SSHOpt`, which have the same fields. */
function encodeSecret(secret: SecretOptions): Uint8Array {
  return writeMessage((w) => {
    w.string(1, secret.id);
    w.uint32(2, secret.uid);
    w.uint32(3, secret.gid);
    w.uint32(4, secret.mode);
    w.bool(5, secret.optional);
  });
}

/** `pb.Mount`. A tmpfs mount carries its options even when they are empty, as BuildKit's client writes it. */
function encodeMount(mount: Mount): Uint8Array {
  return writeMessage((w) => {
    w.int(1, mount.input);
    w.string(2, mount.selector);
    w.string(3, mount.dest);
    w.int(4, mount.output);
    w.bool(5, mount.readonly);
    w.int(6, mountTypes.indexOf(mount.type));
    if (mount.tmpfsSizeBytes !== undefined) {
      const sizeBytes = mount.tmpfsSizeBytes;
      w.message(
        19,
        writeMessage((m) => m.int(1, sizeBytes)),
      );
    }
    if (mount.cache !== undefined) {
      const { id, sharing } = mount.cache;
      const cache = writeMessage((m) => {
        m.string(1, id);
        m.int(2, cacheSharings.indexOf(sharing));
      });
      w.message(20, cache);
    }
    if (mount.secret !== undefined) w.message(21, encodeSecret(mount.secret));
    if (mount.ssh !== undefined) w.message(22, encodeSecret(mount.ssh));
    w.int(24, contentCaches.indexOf(mount.contentCache));
  });
}

/** `pb.ExecOp`. */
export function encodeExec(op: ExecOp): Uint8Array {
  return writeMessage((w) => {
    w.message(1, encodeMeta(op.meta));
    for (const mount of op.mounts) w.message(2, encodeMount(mount));
    w.int(3, networkModes.indexOf(op.network));
    w.int(4, securityModes.indexOf(op.security));
    for (const { id, name, optional } of op.secretEnv) {
      const secret = writeMessage((m) => {
        m.string(1, id);
        m.string(2, name);
        m.bool(3, optional);
      });
      w.message(5, secret);
    }
    for (const { name, optional } of op.devices ?? []) {
      const device = writeMessage((m) => {
        m.string(1, name);
        m.bool(2, optional);
      });
      w.message(6, device);
    }
  });
}
