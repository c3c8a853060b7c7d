/* Huffman codes as deflate has them (RFC 1951, 3.2.2). */
#pragma once
#include <stdint.h>

enum { DEFLATE_MAX_SYMBOLS = 288, DEFLATE_MAX_BITS = 15, DEFLATE_MAX_COUNT = 65535 };

/* How a symbol is written: `bits` bits of `code`, lowest first; no bits where it does not occur. */
struct deflate_code {
  uint16_t code;
  uint8_t bits;
};

/*
 * Complete codes of at most `max_bits`, the shortest that these numbers of occurrences allow but for that bound. At least two symbols get one:
 * there are decoders that refuse less. No number is above DEFLATE_MAX_COUNT.
 */
void deflate_make_codes(const uint32_t *counts, uint32_t symbols, uint32_t max_bits, struct deflate_code *codes);
/* Codes of the lengths that are in `codes` already. */
void deflate_number_codes(struct deflate_code *codes, uint32_t symbols);
