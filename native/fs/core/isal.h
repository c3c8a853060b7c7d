/*
 * Intel's ISA-L, where the machine has it (Debian: libisal2): it inflates half as fast again as the zlib inside Node, by looking up several literals at
 * once. It is loaded when the first data is inflated, as optional as the programs that give steps a network: nothing is linked against it, and what this
 * file says of its memory is the ABI behind the "2" of its name. Not for use without `isal_load`.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* The public part of `struct inflate_state`, with what lies between as bytes. */
struct isal_state {
  uint8_t *next_out;
  uint32_t avail_out;
  uint32_t total_out;
  const uint8_t *next_in;
  uint64_t read_in;
  uint32_t avail_in;
  int32_t read_in_length;
  uint8_t tables[21120];
  uint32_t block_state;
  uint32_t dict_length;
  uint32_t bfinal;
  uint32_t crc_flag;
  uint32_t crc;
  uint32_t hist_bits;
  /* 66,184 bytes of its own, and some to spare. */
  uint8_t buffers[96 * 1024];
};

/* Results, as it numbers them; from 0 on there is no damage. */
enum isal_result {
  ISAL_OK = 0,
  ISAL_INVALID_BLOCK = -1,
  ISAL_INVALID_SYMBOL = -2,
  ISAL_INVALID_LOOKBACK = -3,
  ISAL_INVALID_WRAPPER = -4,
  ISAL_UNSUPPORTED_METHOD = -5,
  ISAL_INCORRECT_CHECKSUM = -6,
};

/* Of `block_state`: everything is given out, and the trailer was read. */
enum { ISAL_BLOCK_FINISH = 5 };

struct isal {
  int (*inflate)(struct isal_state *state);
  void (*reset)(struct isal_state *state);
  void (*init)(struct isal_state *state);
};

/* NULL where it is not installed, or does not inflate what it should. From any thread. */
const struct isal *isal_load(void);
/* Begins the first member. */
void isal_begin(const struct isal *isal, struct isal_state *state);
/* In zlib's words, whichever inflates. */
const char *isal_message(int result);
