/* The digest of a long file on a thread of its own: behind the caller, who reads and writes on meanwhile. */
#pragma once
#include <stddef.h>

#include "err.h"
#include "sha256.h"

enum { HASH_BEHIND_BYTES = 512 * 1024 };

struct hash_behind;

/* `sha256`, which was begun, is the thread's until the end. NULL when there is no thread or memory to be had: hash it yourself then. */
struct hash_behind *hash_behind_start(struct sha256 *sha256);
/* Memory for the next HASH_BEHIND_BYTES; waits until there is some. What was given before is still readable. */
char *hash_behind_buffer(struct hash_behind *behind);
/* Adds what is in that memory now, to be hashed sooner or later. */
void hash_behind_add(struct hash_behind *behind, size_t len);
/* Waits until all is hashed. -1 when that failed. */
int hash_behind_end(struct hash_behind **behind, struct err *err);
