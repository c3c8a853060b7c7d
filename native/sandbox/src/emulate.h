/* Programs of another machine, without anything of this machine's being changed: a user namespace whose binfmt_misc knows them. */
#pragma once

/*
 * `emulate [RULE...]`: makes a user namespace that has all ids of this one under the same numbers, and registers each rule (binfmt_misc's
 * own form) in the binfmt_misc of that namespace, which Linux has since 6.7. Writes "ready" to standard output; whoever joins the
 * namespace (/proc/PID/ns/user) can execute what the rules are for. Ends, and the rules with it, when standard input does. What fails
 * is told on standard error: a call, what it was for and errno.
 */
int emulate_main(int argc, char **argv);
