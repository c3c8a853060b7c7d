import { DEFAULT_PROFILE } from "./apparmor.ts";

/**
 * The default profile's text, for apparmor_parser(8). It says again, by names, what masks, read-only mounts, capabilities and the filter say
 * already, so that one of them may have a hole: what Docker's `docker-default` is for. No includes: abstractions differ from
 * distribution to distribution.
 */
export const defaultProfileText = `# Steps of tsbuild enter this profile where it is loaded:
#   tsbuild debug apparmor > /etc/apparmor.d/${DEFAULT_PROFILE}
#   apparmor_parser -r /etc/apparmor.d/${DEFAULT_PROFILE}
# A step's root is mounted by tsbuild: names are as the step sees them.

profile ${DEFAULT_PROFILE} flags=(attach_disconnected, mediate_deleted) {
  file,
  capability,
  network,
  unix,
  umount,

  # tsbuild and whoever interrupts it send signals to a step; a step to itself alone.
  signal (receive) peer=unconfined,
  signal (send, receive) peer=${DEFAULT_PROFILE},
  ptrace (trace, read, tracedby, readby) peer=${DEFAULT_PROFILE},

  deny mount,
  deny pivot_root,

  # What shows or steers the kernel. /proc/PID and /proc/self stay.
  deny /proc/* wkl,
  deny /proc/{acpi,asound,bus,driver,fs,irq,scsi,sys,tty}/** wkl,
  deny /proc/{kcore,keys,kmem,latency_stats,mem,sched_debug,sysrq-trigger,timer_list,timer_stats} rwklx,
  deny /proc/{acpi,asound,scsi}/** rwklx,
  deny /sys/** wkl,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
}
`;
