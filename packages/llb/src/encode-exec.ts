import type { ExecMeta, ExecOp, Mount, SecretOptions } from "./op.ts";
import type { MessageWriter } from "./wire-writer.ts";

/** Numbers of `pb.MountType`, `pb.CacheSharingOpt`, `pb.MountContentCache`, `pb.NetMode`, `pb.SecurityMode`: the index. */
export const mountTypes = ["bind", "secret", "ssh", "cache", "tmpfs"] as const;
export const cacheSharings = ["shared", "private", "locked"] as const;
export const contentCaches = ["default", "on", "off"] as const;
export const networkModes = ["default", "host", "none"] as const;
export const securityModes = ["sandbox", "insecure"] as const;

function writeProxyEnv(w: MessageWriter, proxy: NonNullable<ExecMeta["proxyEnv"]>): void {
  w.string(1, proxy.http);
  w.string(2, proxy.https);
  w.string(3, proxy.ftp);
  w.string(4, proxy.no);
  w.string(5, proxy.all);
}

/** `pb.Meta`. */
function writeMeta(w: MessageWriter, meta: ExecMeta): void {
  const { proxyEnv } = meta;
  w.strings(1, meta.args);
  w.strings(2, meta.env);
  w.string(3, meta.cwd);
  w.string(4, meta.user);
  if (proxyEnv !== undefined) w.message(5, (m) => writeProxyEnv(m, proxyEnv));
  for (const { host, ip } of meta.extraHosts)
    w.message(6, (m) => {
      m.string(1, host);
      m.string(2, ip);
    });
  w.string(7, meta.hostname);
  for (const { name, soft, hard } of meta.ulimits)
    w.message(9, (m) => {
      m.string(1, name);
      m.int(2, soft);
      m.int(3, hard);
    });
  w.string(10, meta.cgroupParent);
  w.bool(11, meta.removeMountStubsRecursive);
  w.packedInts(12, meta.validExitCodes);
}

/** `pb.SecretOpt` and `pb.SSHOpt`, which have the same fields. */
function writeSecret(w: MessageWriter, secret: SecretOptions): void {
  w.string(1, secret.id);
  w.uint32(2, secret.uid);
  w.uint32(3, secret.gid);
  w.uint32(4, secret.mode);
  w.bool(5, secret.optional);
}

/** `pb.Mount`. A tmpfs mount carries its options even when they are empty, as BuildKit's client writes it. */
function writeMount(w: MessageWriter, mount: Mount): void {
  const { tmpfsSizeBytes, cache, secret, ssh } = mount;
  w.int(1, mount.input);
  w.string(2, mount.selector);
  w.string(3, mount.dest);
  w.int(4, mount.output);
  w.bool(5, mount.readonly);
  w.int(6, mountTypes.indexOf(mount.type));
  if (tmpfsSizeBytes !== undefined) w.message(19, (m) => m.int(1, tmpfsSizeBytes));
  if (cache !== undefined)
    w.message(20, (m) => {
      m.string(1, cache.id);
      m.int(2, cacheSharings.indexOf(cache.sharing));
    });
  if (secret !== undefined) w.message(21, (m) => writeSecret(m, secret));
  if (ssh !== undefined) w.message(22, (m) => writeSecret(m, ssh));
  w.int(24, contentCaches.indexOf(mount.contentCache));
}

/** `pb.ExecOp`. */
export function writeExec(w: MessageWriter, op: ExecOp): void {
  w.message(1, (m) => writeMeta(m, op.meta));
  for (const mount of op.mounts) w.message(2, (m) => writeMount(m, mount));
  w.int(3, networkModes.indexOf(op.network));
  w.int(4, securityModes.indexOf(op.security));
  for (const { id, name, optional } of op.secretEnv)
    w.message(5, (m) => {
      m.string(1, id);
      m.string(2, name);
      m.bool(3, optional);
    });
  for (const { name, optional } of op.devices ?? [])
    w.message(6, (m) => {
      m.string(1, name);
      m.bool(2, optional);
    });
}
