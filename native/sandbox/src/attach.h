/* Another way to start a step: an OCI runtime, with what the step's spec names by descriptor put where a path names it. */
#pragma once

/*
 * `attach (FD SUBPATH TARGET)... -- PROGRAM ARG...`: in a mount and pid namespace of its own, mounts what lies at SUBPATH beneath
 * each descriptor on TARGET (a host path) and runs PROGRAM. Returns its exit status. When this process or the one that started
 * it dies, the kernel kills all that PROGRAM started and drops the mounts, whatever PROGRAM would have done.
 */
int attach_main(int argc, char **argv);
