/**
 * `node test/vm/boot.ts [--append WORDS] [--memory MIB] -- COMMAND…`: runs a command, as root, on another kernel than this machine's:
 * Debian's, with control groups of version 2 alone, in qemu (no KVM needed). Run by hand for what a machine's own kernel cannot show.
 *
 *     node test/vm/boot.ts -- sh -c 'CI=1 vitest run --testTimeout=900000 --project system test/e2e/limits.test.ts'
 *     node test/vm/boot.ts --append 'apparmor=1 security=apparmor' -- packages/cli/bin/tsbuild doctor
 *
 * The machine's own files are its files: `/` is seen read-only (9p) below a throw-away layer, so that what is built and installed here
 * runs there, and nothing it does stays. `/tmp`, `/var/tmp`, `/root` and `/home` begin empty, on ext4, where overlays may be mounted.
 * The command is in a group with other processes, as after a login. Leave what it runs alone meanwhile: files are read late.
 * Needs root and the packages qemu-system-x86, busybox-static, e2fsprogs; the kernel's package is downloaded by
 * apt-get, not installed. Ends with the exit code of the command, 125 without one. What takes a second here takes twenty there.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

/** The kernel's files stay here between runs. */
const CACHE = "/var/cache/tsbuild-vm";

/** Below lib/modules/VERSION/kernel: what the list in `INIT` loads, and what that needs. */
const MODULES = [
  ...["fs/9p", "net/9p", "fs/netfs", "fs/fscache", "fs/overlayfs", "fs/ext4", "fs/jbd2", "fs/mbcache.ko"],
  ...[
    "fs/binfmt_misc.ko",
    "lib",
    "crypto",
    "arch/x86/crypto",
    "drivers/virtio",
    "drivers/block/virtio_blk.ko",
  ],
  ...[
    "drivers/net/tun.ko",
    "drivers/net/virtio_net.ko",
    "drivers/net/net_failover.ko",
    "net/core/failover.ko",
  ],
];

/** The first program of the machine. Its own words go to the console, as the command's do. */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /host /scratch /root
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in virtio_pci 9pnet_virtio 9p virtio_blk crc32c_generic ext4 overlay tun virtio_net binfmt_misc; do
  modprobe $module || echo "vm: no module $module"
done
mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose,access=any host /host
mount -t ext4 /dev/vda /scratch
mkdir -p /scratch/upper /scratch/work /scratch/tmp /scratch/var-tmp /scratch/root /scratch/home
mount -t overlay -o lowerdir=/host,upperdir=/scratch/upper,workdir=/scratch/work overlay /root
mount -t proc proc /root/proc
mount -t sysfs sysfs /root/sys
mount -t securityfs securityfs /root/sys/kernel/security
mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
mount -t devtmpfs dev /root/dev
mkdir -p /root/dev/pts /root/dev/shm
mount -t devpts devpts /root/dev/pts
mount -t tmpfs -o mode=1777 shm /root/dev/shm
mount -t tmpfs -o mode=755 run /root/run
for place in tmp:/tmp var-tmp:/var/tmp root:/root home:/home; do mount --bind /scratch/\${place%%:*} /root\${place#*:}; done
chmod 1777 /root/tmp /root/var/tmp
ip link set lo up
ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2
mkdir -p /root/run/vm && cp /command /root/run/vm/command
umount /proc /sys
exec switch_root /root /bin/sh /run/vm/command
`;

interface Options {
  /** Words for the kernel's command line. */
  readonly append: string;
  readonly memoryMiB: number;
}

/** Downloads the kernel once. Answers the folder its package was unpacked into. */
function kernel(): string {
  const folder = join(CACHE, "kernel");
  if (existsSync(folder)) return folder;
  mkdirSync(CACHE, { recursive: true });
  const depends = execFileSync("apt-cache", ["depends", "linux-image-amd64"], { encoding: "utf8" });
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error("apt-cache knows no linux-image-amd64: apt-get update");
  execFileSync("apt-get", ["download", name], { cwd: CACHE, stdio: ["ignore", "ignore", "inherit"] });
  const archive = readdirSync(CACHE).find((entry) => entry.startsWith(name)) ?? name;
  execFileSync("dpkg-deb", ["-x", join(CACHE, archive), `${folder}.part`]);
  rmSync(join(CACHE, archive));
  execFileSync("mv", [`${folder}.part`, folder]);
  return folder;
}

function only(folder: string, prefix = ""): string {
  const name = readdirSync(folder).find((entry) => entry.startsWith(prefix));
  if (name === undefined) throw new Error(`${folder} has no ${prefix}…`);
  return join(folder, name);
}

/** The archive that the kernel starts from: busybox, some modules, INIT and the command. */
function initramfs(work: string, command: readonly string[]): string {
  const tree = join(work, "initramfs");
  const modules = only(join(kernel(), "lib/modules"));
  const target = join(tree, modules.slice(kernel().length));
  for (const path of MODULES) {
    mkdirSync(dirname(join(target, "kernel", path)), { recursive: true });
    cpSync(join(modules, "kernel", path), join(target, "kernel", path), { recursive: true });
  }
  for (const list of ["modules.order", "modules.builtin"]) cpSync(join(modules, list), join(target, list));
  execFileSync("busybox", ["depmod", "-b", tree, modules.split("/").at(-1) ?? ""]);
  mkdirSync(join(tree, "bin"));
  cpSync("/bin/busybox", join(tree, "bin/busybox"));
  writeFileSync(join(tree, "init"), INIT);
  chmodSync(join(tree, "init"), 0o755);
  writeFileSync(join(tree, "command"), commandFile(command));
  const archive = join(work, "initramfs.cpio");
  execFileSync("sh", [
    "-c",
    `cd "$0" && find . | busybox cpio -o -H newc > "$1" 2> /dev/null`,
    tree,
    archive,
  ]);
  return archive;
}

/** What the machine runs as its second program: it leaves the top group, and hands all controllers down, as systemd does. */
function commandFile(command: readonly string[]): string {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const environment = ["PATH", "TSBUILD_TEST_PROGRAM", "TSBUILD_OCI_RUNTIME", "TSBUILD_TEST_USER"].flatMap(
    (name) => (process.env[name] === undefined ? [] : [`export ${name}='${process.env[name]}'`]),
  );
  return [
    ...environment,
    "export HOME=/root TERM=dumb",
    "mkdir /sys/fs/cgroup/init && echo $$ > /sys/fs/cgroup/init/cgroup.procs",
    'for one in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$one" > /sys/fs/cgroup/cgroup.subtree_control; done',
    `cd '${process.cwd()}'`,
    `${quoted}; echo "vm: ended with $?"`,
    "sync; echo o > /proc/sysrq-trigger; while :; do :; done",
    "",
  ].join("\n");
}

/** Boots, copies the console to standard output, and answers the exit code of the command; undefined: the machine died before. */
function boot(command: readonly string[], { append, memoryMiB }: Options): Promise<number | undefined> {
  const work = mkdtempSync("/var/tmp/tsbuild-vm-");
  const disk = join(work, "scratch.img");
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-E", "lazy_itable_init=1", disk, "16G"]);
  const qemu = spawn(
    "qemu-system-x86_64",
    [
      ...[
        "-machine",
        "q35",
        "-cpu",
        "max",
        "-accel",
        "tcg,thread=multi",
        "-smp",
        "2",
        "-m",
        String(memoryMiB),
      ],
      ...["-nographic", "-no-reboot", "-nic", "user,model=virtio-net-pci"],
      ...["-kernel", only(join(kernel(), "boot"), "vmlinuz"), "-initrd", initramfs(work, command)],
      ...["-append", `console=ttyS0 quiet panic=-1 ${append}`],
      ...["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"],
      ...["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"],
      ...["-drive", `file=${disk},format=raw,if=virtio,cache=unsafe`],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let last = "";
  qemu.stdout.on("data", (chunk: Buffer) => {
    process.stdout.write(chunk);
    last = (last + chunk.toString("latin1")).slice(-10_000);
  });
  return new Promise((resolve) => {
    qemu.on("close", () => {
      rmSync(work, { recursive: true });
      const code = /vm: ended with (\d+)/.exec(last)?.[1];
      resolve(code === undefined ? undefined : Number(code));
    });
  });
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { append: { type: "string", default: "" }, memory: { type: "string", default: "2048" } },
});
process.exitCode =
  (await boot(positionals, { append: values.append, memoryMiB: Number(values.memory) })) ?? 125;
