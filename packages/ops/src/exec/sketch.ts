/** What a step would be given, without opening or running anything: descriptors are numbers with a meaning in words. */
import { digestHex, type VertexDigest } from "@tsbuild/base";
import type { ExecOp, Mount } from "@tsbuild/llb";
import type { ExecMount, ExecSpec } from "@tsbuild/sandbox";
import { cleanPath } from "../content/locate.ts";
import { NO_GRANTS } from "../grants/grants.ts";
import { inMountOrder, mountTarget } from "./mount-target.ts";
import { toId } from "./passwd.ts";
import { stepSpec } from "./step-spec.ts";
import type { StepUser } from "./user.ts";

export interface StepSketch {
  readonly spec: ExecSpec;
  /** What each descriptor in the spec would be, by its number. */
  readonly descriptors: ReadonlyMap<number, string>;
  /** What only the step's files tell: sentences. */
  readonly open: readonly string[];
}

/** `on-demand`: a private one that is connected when the step opens a socket. */
export type DefaultNetwork = "on-demand" | "private" | "host";

export interface SketchOptions {
  readonly vertex: VertexDigest;
  /** Words for input number `index` of the op. */
  readonly describeInput: (index: number) => string;
  /** What `default` comes to on this machine. */
  readonly defaultNetwork: DefaultNetwork;
  /** See `ExecSpec.apparmorProfile`. */
  readonly apparmorProfile?: string | undefined;
}

const FIRST_FD = 3;

class Descriptors {
  readonly meanings = new Map<number, string>();

  add(meaning: string): number {
    const fd = FIRST_FD + this.meanings.size;
    this.meanings.set(fd, meaning);
    return fd;
  }
}

/** The step of an op, as far as it can be told without its root filesystem. */
export function sketchStep(op: ExecOp, options: SketchOptions): StepSketch {
  const descriptors = new Descriptors();
  const open: string[] = [];
  const root = op.mounts.find((mount) => mountTarget(op, mount.dest) === "/");
  const rootFd = descriptors.add(`/: a writable view of ${inputOf(root, options)}`);
  const generated = ["resolv.conf", "hosts"].map((name) => generatedFile(descriptors, name));
  const own = inMountOrder(op)
    .filter((mount) => mountTarget(op, mount.dest) !== "/")
    .map((mount) => sketchMount(op, mount, { descriptors, options, open }));
  const spec = stepSpec(op, {
    rootFd,
    user: sketchUser(op.meta.user, open),
    mounts: [...generated, ...own],
    network: sketchNetwork(op, options, descriptors),
    stdio: "log",
    id: digestHex(options.vertex).slice(0, 12),
    proxyEnv: [],
    secrets: new Map(op.secretEnv.map(({ id, name }) => [name, `<secret ${id}>`])),
    resources: NO_GRANTS.resources,
    apparmorProfile: options.apparmorProfile,
  });
  return { spec, descriptors: descriptors.meanings, open };
}

function inputOf(mount: Mount | undefined, options: SketchOptions): string {
  return mount === undefined || mount.input < 0 ? "an empty folder" : options.describeInput(mount.input);
}

function generatedFile(descriptors: Descriptors, name: string): ExecMount {
  const fd = descriptors.add(`/etc/${name}: a folder with the generated file`);
  return { type: "bind", fd, sourcePath: name, kind: "file", dest: `/etc/${name}`, readonly: true };
}

function sketchNetwork(op: ExecOp, options: SketchOptions, descriptors: Descriptors): ExecSpec["network"] {
  if (op.network !== "default") return op.network;
  if (options.defaultNetwork === "host") return "host";
  if (options.defaultNetwork === "on-demand" && op.security !== "insecure") return "on-demand";
  return { fd: descriptors.add("a network namespace that slirp4netns or pasta connects") };
}

interface MountSketch {
  readonly descriptors: Descriptors;
  readonly options: SketchOptions;
  readonly open: string[];
}

function sketchMount(op: ExecOp, mount: Mount, sketch: MountSketch): ExecMount {
  const dest = mountTarget(op, mount.dest);
  const { descriptors } = sketch;
  const file = (meaning: string, sourcePath: string): ExecMount => {
    return { type: "bind", fd: descriptors.add(meaning), sourcePath, kind: "file", dest, readonly: true };
  };
  switch (mount.type) {
    case "tmpfs":
      return { type: "tmpfs", dest, sizeBytes: mount.tmpfsSizeBytes || undefined, mode: 0o1777 };
    case "secret":
      return file(`${dest}: the secret ${JSON.stringify(mount.secret?.id ?? "")}, in memory`, "secret");
    case "ssh":
      return file(
        `${dest}: a socket that leads to the agent ${JSON.stringify(mount.ssh?.id || "default")}`,
        "agent",
      );
    case "cache": {
      const { id = "", sharing = "shared" } = mount.cache ?? {};
      const fd = descriptors.add(`${dest}: the ${sharing} cache ${JSON.stringify(id)}`);
      return { type: "bind", fd, sourcePath: "", kind: "folder", dest, readonly: mount.readonly };
    }
    case "bind":
      return sketchBind(mount, dest, sketch);
  }
}

function sketchBind(mount: Mount, dest: string, { descriptors, options, open }: MountSketch): ExecMount {
  const sourcePath = cleanPath(mount.selector);
  const access = mount.readonly ? "a read-only view" : "a view, whose changes are thrown away,";
  const fd = descriptors.add(`${dest}: ${access} of ${inputOf(mount, options)}`);
  if (sourcePath !== "")
    open.push(`whether /${sourcePath} of the mount on ${dest} is a file: taken for a folder`);
  return { type: "bind", fd, sourcePath, kind: "folder", dest, readonly: mount.readonly };
}

/** Numbers as they are, root by custom; for anything else somebody has to read passwd and group. */
function sketchUser(text: string, open: string[]): StepUser {
  const [name = "", group = ""] = text.split(":", 2);
  const isRoot = ["", "0", "root"].includes(name);
  const uid = isRoot ? 0 : toId(name);
  const gid = group === "" && uid !== undefined ? 0 : group === "root" ? 0 : toId(group);
  if (uid === undefined || gid === undefined) {
    open.push(
      `the user ${JSON.stringify(text)}, to be looked up in /etc/passwd and /etc/group: shown as 65534`,
    );
  } else if (!isRoot) {
    open.push(`home and groups of the user ${uid}, to be looked up in /etc/passwd and /etc/group`);
  }
  const ids = { uid: uid ?? 65_534, gid: gid ?? 65_534 };
  return { ...ids, additionalGids: [ids.gid], home: isRoot ? "/root" : "/" };
}
