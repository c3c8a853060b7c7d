import { hostPlatform, looksSecret, sha256, sha256Fields } from "@tsbuild/base";
import type { ExecOp, Mount, Op } from "@tsbuild/llb";
import type { CacheMap, InputCacheMap, KeyField } from "@tsbuild/solver";
import { contentKey } from "../content/content-key.ts";
import { selectorKey, selectorOfMount } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import { secretFingerprint } from "../grants/fingerprint.ts";

/**
 * Content decides for what a step can only read, and for what it writes to a layer that is thrown away (`rw` of a bind mount,
 * D077); what it passes on, and its root, must be the same by definition (V013).
 */
function countsByContent(mount: Mount): boolean {
  if (mount.contentCache === "off" || mount.type !== "bind" || mount.dest === "/") return false;
  return mount.contentCache === "on" || mount.readonly || mount.output < 0;
}

function inputMap(env: OpsEnvironment, op: ExecOp, input: number): InputCacheMap {
  const mounts = op.mounts.filter((mount) => mount.input === input && mount.type === "bind");
  const selectors = mounts.map((mount) => selectorOfMount(mount.selector));
  const selector = selectors.every((s) => s.path === "/") ? "" : selectorKey(selectors);
  if (mounts.length === 0 || !mounts.every(countsByContent)) return { selector };
  return { selector, content: (ref) => contentKey(env, ref, selectors) };
}

/**
 * A mount as the key has it. Out: the selector (part of the link to its input), id and sharing of a cache, whose content never
 * counts (V012). In: everything else, also id, path and mode of secrets, but not their values.
 */
function keyedMount(mount: Mount): unknown {
  const { selector: _selector, cache: _cache, contentCache: _contentCache, ...rest } = mount;
  return mount.type === "cache" ? { ...rest, input: -1 } : rest;
}

/** The root alone, written to, is how nearly every step looks: left out, so that its form does not matter (V012). */
function isPlainRoot(mounts: readonly Mount[]): boolean {
  const [root] = mounts;
  return (
    mounts.length === 1 && root !== undefined && root.dest === "/" && root.output === 0 && !root.readonly
  );
}

/** Secrets whose change is to re-run the step (W010); a key without any is as it would be without this field. */
function secretFields(env: OpsEnvironment, op: ExecOp): KeyField[] {
  const mounted = op.mounts.flatMap(({ secret }) => (secret === undefined ? [] : [secret.id]));
  const ids = new Set([...mounted, ...op.secretEnv.map(({ id }) => id)]);
  return [...ids].sort().flatMap((id) => {
    const secret = env.grants.secrets.get(id);
    if (secret?.invalidate !== true) return [];
    return [{ name: `secret.${id}`, value: secretFingerprint(env.store.root, id, secret) }];
  });
}

/** How a RUN is cached. */
export function execCacheMap(env: OpsEnvironment, op: Op & { readonly kind: ExecOp }): CacheMap {
  const { meta, mounts, network, security, secretEnv, devices = [] } = op.kind;
  const platform = op.platform ?? hostPlatform();
  const fields: KeyField[] = [
    { name: "args", value: JSON.stringify(meta.args) },
    ...meta.env.map((entry) => {
      const at = entry.indexOf("=");
      return { name: `env.${at < 0 ? entry : entry.slice(0, at)}`, value: at < 0 ? "" : entry.slice(at + 1) };
    }),
    { name: "cwd", value: meta.cwd },
    { name: "user", value: meta.user },
    { name: "hostname", value: meta.hostname },
    // Host names are in the key, their addresses are not: they differ between machines (C020).
    { name: "hosts", value: JSON.stringify(meta.extraHosts.map((host) => host.host)) },
    { name: "ulimits", value: JSON.stringify(meta.ulimits) },
    { name: "cgroup", value: meta.cgroupParent },
    { name: "exit-codes", value: JSON.stringify(meta.validExitCodes) },
    { name: "network", value: network },
    { name: "security", value: security },
    { name: "secrets", value: JSON.stringify(secretEnv) },
    ...secretFields(env, op.kind),
    { name: "mounts", value: isPlainRoot(mounts) ? "" : JSON.stringify(mounts.map(keyedMount)) },
    // Left out when there are none, so that steps without devices keep their keys.
    ...(devices.length === 0 ? [] : [{ name: "devices", value: JSON.stringify(devices) }]),
    // The same command gives other files on another machine type.
    { name: "platform", value: [platform.os, platform.architecture, platform.variant ?? ""].join("/") },
  ];
  return {
    digest: sha256Fields(["exec-op-1", ...fields.flatMap((field) => [field.name, field.value])]),
    inputs: op.inputs.map((_, i) => inputMap(env, op.kind, i)),
    fields: fields.map((field) => explained(env, field)),
  };
}

/** A field as a record keeps it to explain a later miss: an ARG by that name, a value that is nobody's business as a digest. */
function explained(env: OpsEnvironment, field: KeyField): KeyField {
  if (!field.name.startsWith("env.")) return field;
  const variable = field.name.slice("env.".length);
  const name = env.isArg?.(variable) === true ? `arg.${variable}` : field.name;
  return { name, value: looksSecret(variable) ? sha256(field.value) : field.value };
}
