/* Blocks of deflate (RFC 1951, 3.2.3): what was found in some bytes, in the form that takes the least. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DEFLATE_MIN_MATCH = 3, DEFLATE_MAX_MATCH = 258, DEFLATE_WINDOW = 32768 };
/* As many as it takes for what they have in common to change; it is what blocks are cut by. */
enum { DEFLATE_TOKENS = 16 * 1024 };
enum { DEFLATE_LITERALS = 286, DEFLATE_DISTANCES = 30, DEFLATE_END = 256 };

/* A literal byte, or a match: length above TOKEN_SHIFT, distance below. */
typedef uint32_t deflate_token;
enum { DEFLATE_TOKEN_SHIFT = 16 };

/* What one block will say, as it is gathered. */
struct deflate_block {
  uint32_t count;
  uint32_t literals[DEFLATE_LITERALS + 2];
  uint32_t distances[DEFLATE_DISTANCES + 2];
  deflate_token tokens[DEFLATE_TOKENS];
  /* What a literal took in the block before, on average and in eighths of a bit. */
  uint32_t literal_eighths;
  /* The shortest match that is looked for among literals of that kind. */
  uint32_t least;
};

struct deflate_out {
  uint8_t *at;
  uint8_t *end; /* at least 8 bytes of memory follow what may be used; nothing is written behind `end` */
  uint64_t bits;
  uint32_t bit_count;
  bool full;
};

/* Of what is not 0, rounded down. */
static inline uint32_t deflate_log2(uint32_t value) {
  return 31 - (uint32_t)__builtin_clz(value);
}

/* Symbol of a length, less DEFLATE_END + 1; of a distance. Two symbols per power of two (lengths: four), told by the highest bits below the first. */
static inline uint8_t deflate_length_symbol(uint32_t length) {
  uint32_t value = length - DEFLATE_MIN_MATCH;
  if (length == DEFLATE_MAX_MATCH) return 28;
  if (value < 8) return (uint8_t)value;
  uint32_t power = deflate_log2(value);
  return (uint8_t)(4 * (power - 1) + (value >> (power - 2) & 3));
}

static inline uint8_t deflate_distance_symbol(uint32_t distance) {
  uint32_t value = distance - 1;
  if (value < 4) return (uint8_t)value;
  uint32_t power = deflate_log2(value);
  return (uint8_t)(2 * power + (value >> (power - 1) & 1));
}

static inline void deflate_add_literal(struct deflate_block *block, uint8_t byte) {
  block->literals[byte]++;
  block->tokens[block->count++] = byte;
}

/* Takes the last token away if it is a literal. */
static inline bool deflate_take_literal(struct deflate_block *block) {
  if (block->count == 0 || block->tokens[block->count - 1] >> DEFLATE_TOKEN_SHIFT != 0) return false;
  block->literals[block->tokens[--block->count]]--;
  return true;
}

static inline void deflate_add_match(struct deflate_block *block, uint32_t length, uint32_t distance) {
  block->literals[DEFLATE_END + 1 + deflate_length_symbol(length)]++;
  block->distances[deflate_distance_symbol(distance)]++;
  block->tokens[block->count++] = length << DEFLATE_TOKEN_SHIFT | (distance - 1);
}

/* Writes the block that stands for these bytes, and empties it. Not a last one. */
void deflate_write_block(struct deflate_out *out, struct deflate_block *block, const uint8_t *bytes, size_t len);
/* Ends on a whole byte, by a stored block without content. */
void deflate_write_sync(struct deflate_out *out);
