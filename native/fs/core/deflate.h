/*
 * Deflate (RFC 1951) of blocks that lie in memory as a whole. Why not zlib, which is in the Node binary: it reads a stream byte by byte through
 * a window that it moves, and takes nearly twice as long for the same size.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether there is such an effort; others are zlib's. */
bool deflate_has_level(int level);

/* What `work` has to hold, aligned as malloc does. What is in it does not matter. */
size_t deflate_work_bytes(void);

/*
 * Writes blocks of which none is the last, and ends on a whole byte. False when `room` is too little. Equal input gives equal bytes, on any
 * machine. What comes out is part of blobs' names: whoever changes it changes DEFLATE_VERSION (src/compress.ts).
 */
bool deflate_encode(int level, void *work, const uint8_t *bytes, size_t len, uint8_t *out, size_t room, size_t *size);
