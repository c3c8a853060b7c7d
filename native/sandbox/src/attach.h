/* Another way to start a step: an OCI runtime, with what the step's spec names by descriptor put where a path names it. */
#pragma once

/*
 * `attach ASIDE (FD SUBPATH TARGET)... -- PROGRAM ARG...`, with a plan on the control socket: in a mount and pid namespace of its own,
 * mounts what lies at SUBPATH beneath each descriptor on TARGET (a host path); the first is the root, in which it performs the plan: `tree`
 * lines, then mounts. ASIDE is an empty folder (see struct sandbox). Then it runs PROGRAM and returns its exit status; what fails before
 * is told in a frame. When this process or the one that started it dies, the kernel kills all that PROGRAM started and drops the mounts,
 * whatever PROGRAM would have done.
 */
int attach_main(int argc, char **argv);
