/*
 * Gzip data (RFC 1952) in pieces: by ISA-L where the machine has it (isal.h), else by the zlib inside the Node binary, which uses SIMD and takes half
 * as long again. An inflater of our own (64-bit buffer, three literals a turn, matches copied in wide words, BMI2) was no faster than that zlib.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct inflater;

struct inflate_step {
  size_t consumed; /* of the input */
  size_t produced; /* in the output */
  bool ended;      /* the member is whole; what follows in the input is not looked at */
};

enum inflate_library { INFLATE_ZLIB, INFLATE_ISAL };

/* The fastest that this machine has. */
enum inflate_library inflate_best(void);

/* Not `checked`: length and checksum at a member's end are passed over, for callers who compare a better digest of what comes out. */
struct inflater *inflater_new(enum inflate_library library, bool checked, struct err *err);
/*
 * Goes on until the input is used up, the output is full or the member ends. A full output may have more behind it though the input is used up: the next
 * step gives that. The step after an end begins the next member. EILSEQ, with zlib's words as detail, for what is no gzip data or damaged, in the step
 * after the one that gave what came before: then it is good for nothing any more.
 */
int inflater_run(struct inflater *inflater, const uint8_t *in, size_t len, uint8_t *out, size_t room, struct inflate_step *step,
                 struct err *err);
void inflater_free(struct inflater **inflater);
