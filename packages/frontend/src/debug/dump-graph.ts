import { formatPlatform, type VertexDigest } from "@tsbuild/base";
import type {
  ExecOp,
  FileAction,
  FileOp,
  Graph,
  Input,
  Mount,
  Op,
  OpKind,
  Owner,
  SecretOptions,
  UserOrId,
  Vertex,
} from "@tsbuild/llb";

/** JSON values. */
export type Json =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly Json[]
  | { readonly [key: string]: Json };

/** Drops what is empty, false or zero, so that dumps show only what is said. */
function compact(record: { readonly [key: string]: Json }): { [key: string]: Json } {
  const isEmpty = (value: Json) =>
    value === undefined || value === "" || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !isEmpty(value)));
}

type Numbers = ReadonlyMap<VertexDigest, number>;

function reference(input: Input | undefined, numbers: Numbers): string | undefined {
  return input === undefined ? undefined : `${numbers.get(input.digest)}:${input.index}`;
}

/** References of one op's inputs by number; -1 is scratch, numbers past the inputs are actions. */
function lookup(op: Op, numbers: Numbers): (index: number) => string | undefined {
  return (index) =>
    index >= op.inputs.length ? `action:${index - op.inputs.length}` : reference(op.inputs[index], numbers);
}

type Lookup = ReturnType<typeof lookup>;

function dumpUser(user: UserOrId | undefined, ref: Lookup): Json {
  if (user === undefined) return undefined;
  return "id" in user ? { id: user.id } : compact({ name: user.name, in: ref(user.input) });
}

function dumpOwner(owner: Owner | undefined, ref: Lookup): Json {
  return owner && compact({ user: dumpUser(owner.user, ref), group: dumpUser(owner.group, ref) });
}

function octal(mode: number): string {
  return mode === 0 ? "0" : `0${mode.toString(8)}`;
}

function dumpData(data: Uint8Array): { [key: string]: Json } {
  const text = new TextDecoder().decode(data);
  const isText = Buffer.from(text).equals(data);
  return isText ? { data: text } : { data64: Buffer.from(data).toString("base64") };
}

function timestamp(nanoseconds: bigint): Json {
  return nanoseconds === -1n ? undefined : Number(nanoseconds);
}

const COPY_FLAGS = {
  followSymlink: "followSymlink",
  dirCopyContents: "dirCopyContents",
  attemptUnpackDockerCompatibility: "attemptUnpack",
  createDestPath: "createDestPath",
  allowWildcard: "allowWildcard",
  allowEmptyWildcard: "allowEmptyWildcard",
  alwaysReplaceExistingDestPaths: "alwaysReplaceExistingDestPaths",
} as const;

function dumpActionKind(action: FileAction["action"], ref: Lookup): { [key: string]: Json } {
  switch (action.type) {
    case "copy":
      return {
        src: action.src,
        dest: action.dest,
        flags: Object.entries(COPY_FLAGS).flatMap(([key, name]) =>
          action[key as keyof typeof COPY_FLAGS] ? [name] : [],
        ),
        include: action.includePatterns,
        exclude: action.excludePatterns,
        required: action.requiredPaths,
        mode: action.mode === -1 || action.modeStr !== "" ? undefined : octal(action.mode),
        modeStr: action.modeStr,
        owner: dumpOwner(action.owner, ref),
        timestamp: timestamp(action.timestampNs),
      };
    case "mkfile":
      return {
        path: action.path,
        mode: octal(action.mode),
        ...dumpData(action.data),
        owner: dumpOwner(action.owner, ref),
        timestamp: timestamp(action.timestampNs),
      };
    case "mkdir":
      return {
        path: action.path,
        mode: octal(action.mode),
        makeParents: action.makeParents,
        owner: dumpOwner(action.owner, ref),
        timestamp: timestamp(action.timestampNs),
      };
    case "symlink":
      return {
        oldpath: action.oldPath,
        newpath: action.newPath,
        owner: dumpOwner(action.owner, ref),
        timestamp: timestamp(action.timestampNs),
      };
    case "rm":
      return { path: action.path, allowNotFound: action.allowNotFound, allowWildcard: action.allowWildcard };
  }
}

function dumpFile(op: FileOp, ref: Lookup): { [key: string]: Json } {
  const actions = op.actions.map(({ input, secondaryInput, output, action }) =>
    compact({
      action: action.type,
      in: ref(input),
      in2: ref(secondaryInput),
      output: output < 0 ? undefined : output,
      ...dumpActionKind(action, ref),
    }),
  );
  return { actions };
}

function dumpSecret(secret: SecretOptions | undefined): Json {
  if (secret === undefined) return undefined;
  const { id, uid, gid, mode, optional } = secret;
  return { id, uid, gid, mode: octal(mode), optional };
}

function dumpMount(mount: Mount, ref: Lookup): Json {
  const isFilesystem = mount.type !== "secret" && mount.type !== "ssh";
  return compact({
    dest: mount.dest,
    type: mount.type,
    from: ref(mount.input),
    selector: mount.selector,
    output: isFilesystem && mount.output >= 0 ? mount.output : undefined,
    readonly: mount.readonly,
    contentCache: mount.contentCache === "default" ? undefined : mount.contentCache,
    tmpfs: mount.type === "tmpfs" ? { size: mount.tmpfsSizeBytes ?? 0 } : undefined,
    cache: mount.cache && compact({ id: mount.cache.id, sharing: mount.cache.sharing }),
    secret: dumpSecret(mount.secret),
    ssh: dumpSecret(mount.ssh),
  });
}

function dumpExec(op: ExecOp, ref: Lookup): { [key: string]: Json } {
  const { meta } = op;
  return {
    args: meta.args,
    env: meta.env,
    cwd: meta.cwd,
    user: meta.user,
    hostname: meta.hostname,
    cgroupParent: meta.cgroupParent,
    network: op.network === "default" ? undefined : op.network,
    security: op.security === "sandbox" ? undefined : op.security,
    proxyEnv: meta.proxyEnv && compact({ ...meta.proxyEnv }),
    extraHosts: meta.extraHosts.map(({ host, ip }) => ({ host, ip })),
    ulimit: meta.ulimits.map(({ name, soft, hard }) => ({ name, soft, hard })),
    secretEnv: op.secretEnv.map(({ id, name, optional }) => compact({ id, name, optional })),
    devices: (op.devices ?? []).map(({ name, optional }) => compact({ name, optional })),
    removeMountStubsRecursive: meta.removeMountStubsRecursive,
    mounts: op.mounts.map((mount) => dumpMount(mount, ref)),
  };
}

function dumpKind(kind: OpKind, ref: Lookup): { [key: string]: Json } {
  switch (kind.type) {
    case "source":
      return {
        identifier: kind.identifier,
        attrs: Object.keys(kind.attrs).length > 0 ? { ...kind.attrs } : undefined,
      };
    case "exec":
      return dumpExec(kind, ref);
    case "file":
      return dumpFile(kind, ref);
    case "merge":
      return { merge: kind.inputs.map((index) => ref(index) ?? null) };
    case "diff":
      return { diff: compact({ lower: ref(kind.lower), upper: ref(kind.upper) }) };
    case "build":
      return { builder: kind.builder, inputs: { ...kind.inputs }, attrs: { ...kind.attrs } };
  }
}

function dumpMeta({ digest, metadata }: Vertex, graph: Graph): Json {
  const lines = graph.source?.locations.get(digest) ?? [];
  const meta = compact({
    name: metadata.name,
    lines: lines.map(({ start, end }) => [start, end]),
    group: metadata.progressGroup?.name,
    ignoreCache: metadata.ignoreCache,
  });
  return Object.keys(meta).length > 0 ? meta : undefined;
}

function dumpVertex(vertex: Vertex, graph: Graph, numbers: Numbers): Json {
  const { op } = vertex;
  return compact({
    op: op.kind.type,
    inputs: [...new Set(op.inputs.map((input) => reference(input, numbers)))],
    platform: op.platform && formatPlatform(op.platform),
    ...dumpKind(op.kind, lookup(op, numbers)),
    meta: dumpMeta(vertex, graph),
  });
}

export interface GraphDump {
  readonly ops: readonly Json[];
  /** `N:O`, null for the empty filesystem. */
  readonly result: string | null;
}

/**
 * A graph for people and tests: ops numbered in the graph's order, references as `op:output`, `action:N` within a
 * file op, everything empty left out.
 */
export function dumpGraph(graph: Graph): GraphDump {
  const numbers = new Map(graph.vertices.map((vertex, index) => [vertex.digest, index]));
  return {
    ops: graph.vertices.map((vertex) => dumpVertex(vertex, graph, numbers)),
    result: reference(graph.result ?? undefined, numbers) ?? null,
  };
}
