/*
 * Makes the plain members (see plain_header.h) of an uncompressed layer tar below a folder that was empty at its beginning, as its bytes come:
 * most of a layer is of them, and JavaScript for each takes longer than the kernel does. What is not plain, and what is there already, is left
 * to the caller, who may change the tree between two steps.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"

struct members;

struct members_step {
  size_t consumed; /* of the bytes: whole members, and perhaps the first part of one */
  uint32_t made;   /* members */
};

/* `root` stays the caller's, and open as long as this. */
struct members *members_new(int root, struct err *err);
/*
 * Goes on until the bytes are used up, or (then it is not inside) a member comes that is not plain, that does not begin in a real folder, or
 * whose place is taken. After a failure it is good for nothing.
 */
int members_step(struct members *members, const uint8_t *bytes, size_t len, struct members_step *step, struct err *err);
/* The next step goes on with the content of a member, or the padding behind it. */
bool members_is_inside(const struct members *members);
/*
 * What was made since it was last taken, which the caller has to free: of folders the path, NUL, then seconds (i64) and nanoseconds (u32) of the
 * time that is theirs when all is made; of everything else the path and NUL.
 */
struct buf members_folders(struct members *members);
struct buf members_others(struct members *members);
bool members_has_folders(const struct members *members);
bool members_has_others(const struct members *members);
void members_free(struct members **members);
