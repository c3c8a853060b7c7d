#ifndef TSB_AHEAD_H
#define TSB_AHEAD_H

#include <stdbool.h>

#include "sandbox.h"

/*
 * Plans in two halves. The first one has no descriptors and ends with `await`: namespaces, and the mounts that all steps have alike, on a
 * staged root. It is performed while Node makes ready what the step alone has, on another processor. The second one has the descriptors;
 * it is for this supervisor's one step as the first was, and nothing of a step is in either process before.
 *
 *   Node → supervisor   the header of the second half with its descriptors, then its body; both numbered as in any plan.
 *   supervisor          performs its `tree` lines, which need the host's mounts.
 *   supervisor → PID 1  on the report's socket: descriptors and trees. The body lies in memory that both have.
 *
 * A supervisor whose second half never comes ends as any other when Node hangs up.
 */

/* Descriptors, and twice the trees, of a second half: so many numbers are kept free for them in both processes. */
#define AHEAD_FDS 64
/* Bytes of its body. */
#define AHEAD_BYTES (256u * 1024)

/* Whether the plan ends with `await`. */
bool comes_in_halves(const struct plan *plan);

/* Before the streams are made and PID 1 is cloned. */
int prepare_halves(struct sandbox *sb, struct err *err);

/*
 * In the supervisor: waits for the second half and hands it on. 0 too when Node has hung up, or PID 1 has failed: `supervise` hears the same.
 */
int hand_on_rest(struct sandbox *sb, int report, struct err *err);

#endif
