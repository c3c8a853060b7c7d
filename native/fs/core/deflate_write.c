#include "deflate_write.h"

#include <string.h>

#include "deflate_codes.h"

enum { LENGTH_CODES = 19, MAX_STORED = 65535, REPEAT = 16, ZEROS = 17, MANY_ZEROS = 18, MAX_LENGTH_BITS = 7 };
enum { LEAST_MATCH_BITS = 23, MOST_LEAST = 8 };
enum { STORED = 0, FIXED = 1, DYNAMIC = 2 };

_Static_assert((int)DEFLATE_TOKENS < (int)DEFLATE_MAX_COUNT, "a symbol occurs once a token, but for the end");

static const uint8_t length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                       31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t distance_extra[] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                         6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
static const uint16_t distance_base[] = {1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,    65,    97,    129,
                                         193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t length_code_order[LENGTH_CODES] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
static const uint8_t repeat_extra[] = {2, 3, 7}; /* of REPEAT, ZEROS and MANY_ZEROS */

/* ---- bits ---- */

static inline void put(struct deflate_out *out, uint32_t value, uint32_t count) {
  out->bits |= (uint64_t)value << out->bit_count;
  out->bit_count += count;
}

/* Whole bytes go out; at most 7 bits stay. To be called before there are more than 63. */
static inline void flush(struct deflate_out *out) {
  if (out->end - out->at < 8) {
    out->full = true;
    out->bits = out->bit_count = 0;
    return;
  }
  memcpy(out->at, &out->bits, sizeof out->bits);
  out->at += out->bit_count >> 3;
  out->bits >>= out->bit_count & ~7u;
  out->bit_count &= 7;
}

static inline void put_code(struct deflate_out *out, struct deflate_code code) {
  put(out, code.code, code.bits);
}

/* ---- what a block takes ---- */

struct codes {
  struct deflate_code literals[DEFLATE_MAX_SYMBOLS];
  struct deflate_code distances[DEFLATE_DISTANCES + 2];
};

/* The lengths of both codes as runs: symbols, each with what its extra bits say. */
struct lengths {
  uint32_t literals;
  uint32_t distances;
  uint32_t used; /* of length_code_order */
  uint32_t count;
  uint8_t symbols[DEFLATE_LITERALS + DEFLATE_DISTANCES];
  uint8_t extras[DEFLATE_LITERALS + DEFLATE_DISTANCES];
  struct deflate_code codes[LENGTH_CODES];
  uint64_t bits;
};

static void fixed_lengths(struct codes *codes) {
  for (uint32_t i = 0; i < DEFLATE_MAX_SYMBOLS; i++) codes->literals[i].bits = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
  for (uint32_t i = 0; i < DEFLATE_DISTANCES + 2; i++) codes->distances[i].bits = 5;
}

static void fixed_codes(struct codes *codes) {
  fixed_lengths(codes);
  deflate_number_codes(codes->literals, DEFLATE_MAX_SYMBOLS);
  deflate_number_codes(codes->distances, DEFLATE_DISTANCES + 2);
}

static uint64_t cost_of(const struct deflate_block *block, const struct codes *codes) {
  uint64_t bits = 0;
  for (uint32_t i = 0; i < DEFLATE_LITERALS; i++) {
    uint32_t extra = i > DEFLATE_END ? length_extra[i - DEFLATE_END - 1] : 0;
    bits += (uint64_t)block->literals[i] * (codes->literals[i].bits + extra);
  }
  for (uint32_t i = 0; i < DEFLATE_DISTANCES; i++)
    bits += (uint64_t)block->distances[i] * (codes->distances[i].bits + distance_extra[i]);
  return bits;
}

static uint32_t used_symbols(const struct deflate_code *codes, uint32_t most, uint32_t least) {
  while (most > least && codes[most - 1].bits == 0) most--;
  return most;
}

static void add_run(struct lengths *lengths, uint8_t symbol, uint32_t extra) {
  lengths->symbols[lengths->count] = symbol;
  lengths->extras[lengths->count++] = (uint8_t)extra;
}

/* `run` times the same; a repetition is of what stands before it. */
static void add_runs(struct lengths *lengths, uint8_t bits, uint32_t run) {
  while (bits == 0 && run >= 11) {
    uint32_t part = run < 138 ? run : 138;
    add_run(lengths, MANY_ZEROS, part - 11);
    run -= part;
  }
  if (bits == 0 && run >= 3) {
    add_run(lengths, ZEROS, run - 3);
    return;
  }
  for (bool is_first = bits > 0; run > 0; is_first = false) {
    uint32_t part = is_first || run < 3 || bits == 0 ? 1 : run < 6 ? run : 6;
    if (part == 1) add_run(lengths, bits, 0);
    else add_run(lengths, REPEAT, part - 3);
    run -= part;
  }
}

static void find_runs(struct lengths *lengths, const struct codes *codes) {
  uint8_t all[DEFLATE_LITERALS + DEFLATE_DISTANCES];
  uint32_t count = 0;
  for (uint32_t i = 0; i < lengths->literals; i++) all[count++] = codes->literals[i].bits;
  for (uint32_t i = 0; i < lengths->distances; i++) all[count++] = codes->distances[i].bits;
  for (uint32_t at = 0, next; at < count; at = next) {
    for (next = at + 1; next < count && all[next] == all[at]; next++);
    add_runs(lengths, all[at], next - at);
  }
}

static void describe_codes(struct lengths *lengths, const struct codes *codes) {
  uint32_t counts[LENGTH_CODES] = {0};
  lengths->literals = used_symbols(codes->literals, DEFLATE_LITERALS, DEFLATE_END + 1);
  lengths->distances = used_symbols(codes->distances, DEFLATE_DISTANCES, 1);
  lengths->count = 0;
  find_runs(lengths, codes);
  for (uint32_t i = 0; i < lengths->count; i++) counts[lengths->symbols[i]]++;
  deflate_make_codes(counts, LENGTH_CODES, MAX_LENGTH_BITS, lengths->codes);
  lengths->used = LENGTH_CODES;
  while (lengths->used > 4 && lengths->codes[length_code_order[lengths->used - 1]].bits == 0) lengths->used--;
  lengths->bits = 5 + 5 + 4 + 3 * lengths->used;
  for (uint32_t i = 0; i < LENGTH_CODES; i++)
    lengths->bits += (uint64_t)counts[i] * (lengths->codes[i].bits + (i < REPEAT ? 0 : repeat_extra[i - REPEAT]));
}

/* ---- writing ---- */

static void write_lengths(struct deflate_out *out, const struct lengths *lengths) {
  put(out, lengths->literals - DEFLATE_END - 1, 5);
  put(out, lengths->distances - 1, 5);
  put(out, lengths->used - 4, 4);
  flush(out);
  for (uint32_t i = 0; i < lengths->used; i++) {
    put(out, lengths->codes[length_code_order[i]].bits, 3);
    flush(out);
  }
  for (uint32_t i = 0; i < lengths->count; i++) {
    uint8_t symbol = lengths->symbols[i];
    put_code(out, lengths->codes[symbol]);
    if (symbol >= REPEAT) put(out, lengths->extras[i], repeat_extra[symbol - REPEAT]);
    flush(out);
  }
}

/* The code of each length with its extra bits behind it: most tokens are matches or letters, and each is looked up. */
struct length_codes {
  uint32_t bits[DEFLATE_MAX_MATCH + 1];
  uint8_t count[DEFLATE_MAX_MATCH + 1];
};

static void spell_lengths(struct length_codes *spelt, const struct deflate_code *literals) {
  for (uint32_t length = DEFLATE_MIN_MATCH; length <= DEFLATE_MAX_MATCH; length++) {
    uint32_t symbol = deflate_length_symbol(length);
    struct deflate_code code = literals[DEFLATE_END + 1 + symbol];
    spelt->bits[length] = code.code | (length - length_base[symbol]) << code.bits;
    spelt->count[length] = (uint8_t)(code.bits + length_extra[symbol]);
  }
}

static inline void put_distance(struct deflate_out *out, uint32_t distance, const struct codes *codes) {
  uint8_t symbol = deflate_distance_symbol(distance);
  struct deflate_code code = codes->distances[symbol];
  put(out, code.code | (distance - distance_base[symbol]) << code.bits, code.bits + distance_extra[symbol]);
}

/* In a copy of `out`, which no byte that is written can be part of: so it may stay in the processor. */
static void write_tokens(struct deflate_out *to, const struct deflate_block *block, const struct codes *codes) {
  struct length_codes lengths;
  struct deflate_out out = *to;
  spell_lengths(&lengths, codes->literals);
  for (uint32_t i = 0; i < block->count; i++) {
    deflate_token token = block->tokens[i];
    if (token < DEFLATE_END) put_code(&out, codes->literals[token]);
    else {
      uint32_t length = token >> DEFLATE_TOKEN_SHIFT;
      put(&out, lengths.bits[length], lengths.count[length]);
      put_distance(&out, (uint16_t)token + 1u, codes);
    }
    /* Always, as whether it is due is nothing that a processor can guess. A token is at most 48 bits. */
    flush(&out);
  }
  put_code(&out, codes->literals[DEFLATE_END]);
  flush(&out);
  *to = out;
}

static void write_stored_part(struct deflate_out *out, const uint8_t *bytes, uint32_t len) {
  put(out, STORED << 1, 3);
  out->bit_count = (out->bit_count + 7) & ~7u;
  put(out, len | (len ^ 0xffff) << 16, 32);
  flush(out);
  if ((size_t)(out->end - out->at) < len) out->full = true;
  if (out->full) return;
  if (len > 0) memcpy(out->at, bytes, len);
  out->at += len;
}

static void write_stored(struct deflate_out *out, const uint8_t *bytes, size_t len) {
  for (size_t done = 0; done < len; done += MAX_STORED)
    write_stored_part(out, bytes + done, len - done < MAX_STORED ? (uint32_t)(len - done) : MAX_STORED);
}

void deflate_write_sync(struct deflate_out *out) {
  write_stored_part(out, NULL, 0);
}

static uint64_t stored_bits(size_t len) {
  return (len + 5 * (len / MAX_STORED + 1)) * 8;
}

/* What literals take is the measure of matches in the next block. */
static void learn(struct deflate_block *block, const struct deflate_code *literals) {
  uint32_t count = 1, bits = LEAST_MATCH_BITS / DEFLATE_MIN_MATCH;
  for (uint32_t i = 0; i < DEFLATE_END; i++) {
    count += block->literals[i];
    bits += block->literals[i] * literals[i].bits;
  }
  uint32_t least = (LEAST_MATCH_BITS * count + bits - 1) / bits;
  block->least = least < DEFLATE_MIN_MATCH ? DEFLATE_MIN_MATCH : least > MOST_LEAST ? MOST_LEAST : least;
  block->literal_eighths = bits * 8 / count;
}

void deflate_write_block(struct deflate_out *out, struct deflate_block *block, const uint8_t *bytes, size_t len) {
  struct codes own, fixed;
  struct lengths lengths;
  block->literals[DEFLATE_END] = 1;
  deflate_make_codes(block->literals, DEFLATE_LITERALS, DEFLATE_MAX_BITS, own.literals);
  deflate_make_codes(block->distances, DEFLATE_DISTANCES, DEFLATE_MAX_BITS, own.distances);
  describe_codes(&lengths, &own);
  fixed_lengths(&fixed);
  uint64_t dynamic_bits = lengths.bits + cost_of(block, &own), fixed_bits = cost_of(block, &fixed);
  bool is_fixed = fixed_bits <= dynamic_bits;
  if (stored_bits(len) <= (is_fixed ? fixed_bits : dynamic_bits)) write_stored(out, bytes, len);
  else {
    put(out, (is_fixed ? FIXED : DYNAMIC) << 1, 3);
    if (is_fixed) fixed_codes(&fixed);
    else write_lengths(out, &lengths);
    write_tokens(out, block, is_fixed ? &fixed : &own);
  }
  learn(block, own.literals);
  block->count = 0;
  memset(block->literals, 0, sizeof block->literals);
  memset(block->distances, 0, sizeof block->distances);
}
