#ifndef TSB_ADOPT_H
#define TSB_ADOPT_H

#include "err.h"

/*
 * Without a pid namespace nothing ends a step's processes but us. A process that adopts becomes the parent of every orphan below it, in
 * whatever session or group it hides, so that killing one's children until there are none kills them all.
 */
int adopt_orphans(struct err *err);

/* Kills and reaps every process below this one. Those that the children leave behind become children, and are killed next. */
void kill_children(void);

#endif
