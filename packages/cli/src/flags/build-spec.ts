import { callFlags } from "./call-flags.ts";
import { type CommandSpec, type FlagSpec, machineFlags } from "./spec.ts";

/** What is built: for every command that reads a Dockerfile with its context. */
export const inputFlags: readonly FlagSpec[] = [
  {
    name: "file",
    short: "f",
    value: "FILE",
    group: "Input",
    text: "Dockerfile, or its URL; - reads it from standard input (default: PATH/Dockerfile)",
  },
  {
    name: "target",
    value: "STAGE",
    group: "Input",
    text: "Stage to build, by name or index (default: the last)",
  },
  {
    name: "build-arg",
    value: "KEY[=VALUE]",
    repeat: true,
    group: "Input",
    text: "Value of an ARG; without =VALUE, from the environment",
  },
  {
    name: "build-context",
    value: "NAME=PLACE",
    repeat: true,
    group: "Input",
    text: "Replaces the image, stage or --from NAME: a folder, docker-image://REF, oci-layout://FOLDER[:TAG], a git or http URL, dockerfile:PATH[#STAGE]",
  },
  {
    name: "platform",
    value: "OS/ARCH",
    repeat: true,
    group: "Input",
    text: "Platforms to build for, separated by commas (default: $DOCKER_DEFAULT_PLATFORM, else this machine's)",
  },
  {
    name: "pull",
    group: "Input",
    text: "Look every base image's tag up in its registry, even when it is here",
  },
  {
    name: "offline",
    group: "Input",
    text: "Ask no server for images, repositories and downloads: names are what they were when they were last asked for",
  },
  {
    name: "locked",
    group: "Input",
    text: "Refuse images, repositories and downloads that tsbuild.lock does not have",
  },
  {
    name: "update-lock",
    group: "Input",
    text: "Look every source up anew and write tsbuild.lock beside the Dockerfile",
  },
  {
    name: "source-policy",
    value: "FILE",
    group: "Input",
    text: "Rules (BuildKit's JSON) that allow, deny or replace sources (default: $EXPERIMENTAL_BUILDKIT_SOURCE_POLICY)",
  },
  {
    name: "reproducible",
    group: "Input",
    text: "Bytes that depend on contents alone: SOURCE_DATE_EPOCH is the time of the context's commit (0 without one) if not given, copied files are dated so, and later times in new layers are cut off",
  },
  {
    name: "context-mode",
    value: "exact|normalize",
    group: "Input",
    text: "normalize: of the modes of files in contexts only counts whether their owner may execute them: 0644, 0755, and 0755 for folders (default: exact)",
  },
  {
    name: "no-dockerignore",
    group: "Input",
    text: "Do not apply .dockerignore",
  },
];

const stages: readonly FlagSpec[] = [
  {
    name: "with-stage",
    value: "STAGE",
    repeat: true,
    group: "Input",
    text: "Build this stage as well, such as tests, although the target does not need it",
  },
  { name: "all-stages", group: "Input", text: "Build every stage of the file" },
];

/** Only a build takes several targets. */
function ofBuild(flag: FlagSpec): FlagSpec {
  if (flag.name !== "target") return flag;
  const text = `${flag.text}. Of several, all are built in one; the first is named by -t, outputs take target=STAGE`;
  return { ...flag, repeat: true, text };
}

export const resultFlags: readonly FlagSpec[] = [
  { name: "tag", short: "t", value: "NAME[:TAG]", repeat: true, group: "Result", text: "Name of the image" },
  {
    name: "label",
    value: "KEY=VALUE",
    repeat: true,
    group: "Result",
    text: "Label of the image",
  },
  {
    name: "unset",
    value: "FIELD[:NAME],…",
    repeat: true,
    group: "Result",
    text: "Take out of the image's config what its base brought along: env:NAME, volume:PATH, expose:PORT, label:KEY, entrypoint, cmd, user, workdir, healthcheck, stopsignal, shell, onbuild",
  },
  {
    name: "squash",
    value: "STAGE",
    bare: "",
    group: "Result",
    text: "Make one layer of all new ones, or of those from a stage on; the base's layers stay as they are",
  },
  {
    name: "annotation",
    value: "[SCOPE:]KEY=VALUE",
    repeat: true,
    group: "Result",
    text: "Annotation of the image; SCOPE: manifest, index, manifest-descriptor or index-descriptor, several separated by commas, the manifest ones also for one platform: manifest[linux/arm64]",
  },
  {
    name: "provenance",
    value: "OPTIONS",
    bare: "true",
    group: "Result",
    text: "Say with the image how it was built (SLSA): true, false or mode=min|max,version=v1|v0.2,builder-id=URI,… Short for --attest type=provenance",
  },
  {
    name: "sbom",
    value: "OPTIONS",
    bare: "true",
    group: "Result",
    text: "Say with the image what is installed in it (SPDX): true, false, or generator=IMAGE for a scanner that speaks BuildKit's protocol. Short for --attest type=sbom",
  },
  {
    name: "attest",
    value: "type=TYPE,…",
    repeat: true,
    group: "Result",
    text: "type=provenance with its options, or type=sbom. Makes an index of the image; -o type=registry,attest-as=referrers leaves it as it is",
  },
  {
    name: "output",
    short: "o",
    value: "SPEC",
    repeat: true,
    group: "Result",
    text: "type=image|registry|oci|docker|local|tar|cacheonly[,dest=PATH][,KEY=VALUE]; a bare PATH is type=local, - a tar on standard output; of images: name, push, compression=gzip|estargz|zstd|uncompressed, compression-level, force-compression, rewrite-timestamp, oci-mediatypes",
  },
  { name: "push", group: "Result", text: "Push the image to its registry: -o type=registry" },
  {
    name: "load",
    group: "Result",
    text: "Load the image into the docker or podman that runs here: -o type=docker",
  },
  {
    name: "output-on-fail",
    value: "dest=DIR,path=PATH",
    repeat: true,
    group: "Result",
    text: "When a RUN fails, copy a file or what is in a folder of it to DIR, such as test reports, without links that lead out of it; the build fails all the same",
  },
  { name: "iidfile", value: "FILE", group: "Result", text: "Write the image ID to a file" },
  {
    name: "metadata-file",
    value: "FILE",
    group: "Result",
    text: "Write digests and names of the result to a file, as JSON",
  },
];

export const stepFlags: readonly FlagSpec[] = [
  { name: "no-cache", group: "Steps", text: "Run every step anew" },
  {
    name: "no-cache-filter",
    value: "STAGE",
    repeat: true,
    group: "Steps",
    text: "Run the steps of these stages anew; separated by commas",
  },
  {
    name: "no-cache-step",
    value: "TEXT",
    repeat: true,
    group: "Steps",
    text: "Run steps anew whose text holds this; * stands for anything",
  },
  {
    name: "cache-ttl",
    value: "TIME",
    group: "Steps",
    text: "Run steps anew whose results are older, such as 36h or 7d; # tsbuild: ttl=TIME says so of one step",
  },
  {
    name: "network",
    value: "default|none|host",
    group: "Steps",
    text: "Network of RUN steps that do not say (default: default)",
  },
  {
    name: "network-provider",
    value: "auto|pasta|slirp4netns|host",
    group: "Steps",
    text: "Who connects the private network that default is; host: the host's instead (default: $TSBUILD_NETWORK, else auto)",
  },
  {
    name: "add-host",
    value: "NAME:IP",
    repeat: true,
    group: "Steps",
    text: "Line of /etc/hosts in RUN steps; the IP may be host-gateway",
  },
  {
    name: "secret",
    value: "id=ID[,src=FILE|,env=VAR]",
    repeat: true,
    group: "Steps",
    text: "For RUN --mount=type=secret; with the id alone: the variable of that name, else the file. invalidate=true re-runs its steps when the value changes",
  },
  {
    name: "ssh",
    value: "ID[=SOCKET|KEY,KEY…]",
    repeat: true,
    group: "Steps",
    text: "For RUN --mount=type=ssh: an agent (default: $SSH_AUTH_SOCK) or private key files; ID is default unless the mount says one",
  },
  {
    name: "allow",
    value: "ENTITLEMENT",
    repeat: true,
    group: "Steps",
    text: "network.host for RUN --network=host (--network host implies it), security.insecure for RUN --security=insecure",
  },
  {
    name: "on-fail",
    value: "shell",
    group: "Steps",
    text: "Open a shell in a step that fails, with its files, mounts, environment and user; needs a terminal",
  },
  {
    name: "shell",
    value: "PATH",
    group: "Steps",
    text: "Program of the image that --on-fail=shell starts (default: bash, else sh)",
  },
  {
    name: "debug-tools",
    value: "busybox|FOLDER",
    group: "Steps",
    text: "--on-fail=shell, for an image without a shell: this machine's static busybox, or a folder with a static sh, at /.tsbuild-tools",
  },
  {
    name: "jobs",
    value: "N",
    group: "Steps",
    text: "Steps that run at the same time (default: four for each processor, 16 at least)",
  },
  {
    name: "jobs-memory",
    value: "SIZE|off",
    group: "Steps",
    text: "What they may take together, by what each took when it last ran: 8GB, 50% of the free memory (default: $TSBUILD_JOBS_MEMORY, else 90%); docs/memory.md",
  },
];

const caches: readonly FlagSpec[] = [
  {
    name: "cache-from",
    value: "SPEC",
    repeat: true,
    group: "Shared caches",
    text: "Look results up here, too: type=registry|local|gha|s3[,KEY=VALUE]; a bare REF is type=registry, also for an image with an inline cache",
  },
  {
    name: "cache-to",
    value: "SPEC",
    repeat: true,
    group: "Shared caches",
    text: "Export results: type=registry|local|inline|gha|s3[,mode=min|max][,KEY=VALUE]",
  },
];

export const stepLimits: readonly FlagSpec[] = [
  {
    name: "ulimit",
    value: "NAME=SOFT[:HARD]",
    repeat: true,
    group: "Limits of each step",
    text: "Such as nofile=1024:2048; -1 is unlimited. Part of the cache key",
  },
  {
    name: "shm-size",
    value: "BYTES",
    group: "Limits of each step",
    text: "Size of /dev/shm, such as 256m (default: 64m). Part of the cache key",
  },
  {
    name: "cgroup-parent",
    value: "GROUP",
    group: "Limits of each step",
    text: "Control group below which each step gets its own. Part of the cache key",
  },
  {
    name: "resource",
    value: "KEY=VALUE,…",
    repeat: true,
    group: "Limits of each step",
    text: "memory, memory-swap, cpu-shares, cpu-period, cpu-quota, cpuset-cpus, cpuset-mems, pids; no part of the cache key",
  },
  {
    name: "memory",
    short: "m",
    value: "BYTES",
    group: "Limits of each step",
    text: "--resource memory=BYTES",
  },
  {
    name: "memory-swap",
    value: "BYTES",
    group: "Limits of each step",
    text: "Memory and swap; -1 is unlimited",
  },
  {
    name: "cpu-shares",
    value: "N",
    group: "Limits of each step",
    text: "Weight beside others (default: 1024)",
  },
  { name: "cpu-period", value: "USEC", group: "Limits of each step", text: "Length of a scheduling period" },
  { name: "cpu-quota", value: "USEC", group: "Limits of each step", text: "Time on processors in a period" },
  { name: "cpuset-cpus", value: "LIST", group: "Limits of each step", text: "Processors, such as 0-2,7" },
  { name: "cpuset-mems", value: "LIST", group: "Limits of each step", text: "Memory nodes, such as 0" },
];

/** Of docker's first builder: they ask for what is done anyway, or mean nothing here (C029). */
const habits: readonly FlagSpec[] = [
  { name: "rm", text: "nothing is left of a step" },
  { name: "force-rm", text: "nothing is left of a step" },
  { name: "compress", text: "a context is read where it is" },
  { name: "stream", text: "a context is read where it is" },
].map(({ name, text }) => ({ name, group: "Accepted for habit's sake", text: `Without effect: ${text}` }));

export const progressFlags: readonly FlagSpec[] = [
  {
    name: "progress",
    value: "MODE",
    group: "Progress",
    text: "auto, tty, plain, quiet, rawjson or none (default: $BUILDKIT_PROGRESS, else auto)",
  },
  { name: "quiet", short: "q", group: "Progress", text: "Print the image ID and nothing else" },
];

/** For every command that talks to registries. */
export const registryFlags: readonly FlagSpec[] = [
  {
    name: "insecure-registry",
    value: "HOST[:PORT]",
    repeat: true,
    group: "Registries",
    text: "Do not check this registry's certificate, and use plain HTTP where it has no TLS ($TSBUILD_INSECURE_REGISTRY)",
  },
];

export const buildSpec: CommandSpec = {
  name: "build",
  usage: "[flags] PATH | URL | -",
  summary: "Build an image from a Dockerfile",
  description: [
    "PATH is the folder that COPY and ADD read from. With - the context is read from standard input: a tar",
    "archive (optionally compressed), or a Dockerfile alone.",
    "URL is a git repository, an archive or a Dockerfile alone. Repositories: https://host/repo.git#REF:FOLDER,",
    "ssh://, git://, user@host:path, github.com/owner/repo.",
    "Progress goes to standard error; standard output only ever carries results.",
  ],
  flags: [
    ...inputFlags.map(ofBuild),
    ...stages,
    ...resultFlags,
    ...stepFlags,
    ...caches,
    ...stepLimits,
    ...registryFlags,
    ...progressFlags,
    ...machineFlags,
    ...callFlags,
    ...habits,
  ],
  examples: [
    { command: "tsbuild build -t app .", text: "Build ./Dockerfile and name the image" },
    {
      command: "tsbuild build -t app --target test --build-arg NODE_VERSION=22 .",
      text: "One stage, with an ARG",
    },
    { command: "tsbuild build -o type=oci,dest=app.tar .", text: "An OCI archive instead of a stored image" },
    {
      command: "tsbuild build --with-stage test -t app .",
      text: "Also a stage that the image does not need",
    },
    { command: "tsbuild build -o out .", text: "The files of the last stage, as a folder" },
    { command: "tsbuild build -t registry.example/app --push .", text: "Build and push" },
    { command: "tsbuild build --cache-from REF --cache-to REF .", text: "Share results with other machines" },
    { command: "tsbuild build - < Dockerfile", text: "A Dockerfile without a context" },
  ],
};
