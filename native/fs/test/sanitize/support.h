/* What the parts of the driver share. */
#pragma once
#include <stdint.h>

#include "../../core/err.h"

void seed_random(uint64_t seed);
uint64_t next_random(void);
/* Ends the program when a call has failed. */
void check(int result, const char *what, struct err *err);
/* Feeds archives.c's archives, whole and damaged, to what makes members below `root`. */
void archives(int root, long rounds);
/* The same with walks, whole and damaged, of a folder below `root`, for what packs members. */
void packings(int root, long rounds);
