#pragma once
#include "err.h"

/*
 * An empty folder in memory, as a mount that is attached nowhere and goes with its last descriptor. ramfs: unlike tmpfs it never
 * reaches the swap, so what is secret stays off every disk. It has no limit of its own: for small things only.
 */
int memory_mount(struct err *err);
