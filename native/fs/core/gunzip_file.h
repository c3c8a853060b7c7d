/*
 * A gzip file (RFC 1952; of one member or many) that may still be written, inflated and hashed piece by piece; where what is inflated begins
 * a plain member of an archive (see members.h), the members are made at once. All of it in one call for a mebibyte or so: the same loop in
 * JavaScript took as long as the inflating for every tenth of it, and its garbage took V8's threads as much again.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "members.h"
#include "sha256.h"

struct gunzip_file;

enum gunzip_state {
  GUNZIP_WAITS,  /* all of the file that is there was read */
  GUNZIP_PAUSED, /* there is more: a step is short, so that its caller can be stopped */
  GUNZIP_GIVES,  /* bytes for the caller */
  GUNZIP_ENDED
};

struct gunzip_step {
  enum gunzip_state state;
  size_t from, to; /* where in the output the bytes for the caller are, which are gone in the next step */
  uint32_t made;   /* members */
};

/* `fd` stays the caller's, and open as long as this. Not more than `max` bytes may come out. */
struct gunzip_file *gunzip_file_new(int fd, uint64_t max, struct err *err);
/*
 * Goes on; the first `size` bytes of the file are there, which are all when it `is_whole`. `out`: the same memory each time, of at least
 * GUNZIP_OUT_MIN bytes. `members`: NULL, or what gets the bytes first, if that is how the caller wants to have them: then those that it does not
 * take begin a member. EILSEQ for what is no gzip, damaged or cut, EFBIG behind `max`, EIO for a file that is shorter than was told; and what
 * members_step fails with. After a failure it is good for nothing.
 */
int gunzip_file_step(struct gunzip_file *file, struct members *members, uint64_t size, bool is_whole, uint8_t *out, size_t room,
                     struct gunzip_step *step, struct err *err);
/* Of all that came out; once, after the end. */
int gunzip_file_digest(struct gunzip_file *file, uint8_t digest[SHA256_BYTES], struct err *err);
/* How much of the file was read, and how much came out of it. */
uint64_t gunzip_file_read(const struct gunzip_file *file);
uint64_t gunzip_file_size(const struct gunzip_file *file);
void gunzip_file_free(struct gunzip_file **file);

/* A plain header, and room for more to come. */
enum { GUNZIP_OUT_MIN = 64 * 1024 };
