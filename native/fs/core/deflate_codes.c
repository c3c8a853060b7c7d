#include "deflate_codes.h"

#include <stdbool.h>
#include <string.h>

/* A symbol that occurs, as one number: how often above, which below. */
typedef uint32_t ranked;
enum { SYMBOL_BITS = 16, DIGIT_BITS = 8, DIGITS = 1 << DIGIT_BITS };
_Static_assert(DEFLATE_MAX_COUNT < 1 << (32 - SYMBOL_BITS) && 32 - SYMBOL_BITS == 2 * DIGIT_BITS, "counts are two digits");

/* Puts them in the order of one digit; those in which it is the same stay in theirs. */
static void sort_by(uint32_t shift, const ranked *from, uint32_t count, ranked *to) {
  uint16_t places[DIGITS + 1] = {0};
  for (uint32_t i = 0; i < count; i++) places[(from[i] >> shift & (DIGITS - 1)) + 1]++;
  for (uint32_t digit = 1; digit < DIGITS; digit++) places[digit] += places[digit - 1];
  for (uint32_t i = 0; i < count; i++) to[places[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* Those that occur, the rarest first; equal ones by their number, as everything has to be the same everywhere. */
static uint32_t rank(const uint32_t *counts, uint32_t symbols, ranked *order) {
  ranked other[DEFLATE_MAX_SYMBOLS];
  uint32_t found = 0, at = 0;
  for (uint32_t symbol = 0; symbol < symbols; symbol++)
    if (counts[symbol] > 0) order[found++] = counts[symbol] << SYMBOL_BITS | symbol;
  for (; found < 2; at++)
    if (counts[at] == 0) order[found++] = 1u << SYMBOL_BITS | at;
  /* The ones that were added came last, and may come before. */
  if (found == 2 && order[0] > order[1]) {
    ranked first = order[0];
    order[0] = order[1];
    order[1] = first;
  }
  sort_by(SYMBOL_BITS, order, found, other);
  sort_by(SYMBOL_BITS + DIGIT_BITS, other, found, order);
  return found;
}

/*
 * Lengths of an optimal code for ascending weights, in their place (Moffat and Katajainen, 1995): first the weights of inner nodes and then
 * whose child each is take the place of weights that are used up; then come depths.
 */
static void pair_up(uint32_t *a, uint32_t count) {
  uint32_t root = 0, leaf = 0;
  for (uint32_t next = 0; next + 1 < count; next++) {
    uint32_t sum = 0;
    for (int child = 0; child < 2; child++) {
      bool is_inner = leaf >= count || (root < next && a[root] < a[leaf]);
      sum += is_inner ? a[root] : a[leaf];
      if (is_inner) a[root++] = next;
      else leaf++;
    }
    a[next] = sum;
  }
}

static void find_depths(uint32_t *a, uint32_t count) {
  a[count - 2] = 0;
  for (uint32_t next = count - 2; next-- > 0;) a[next] = a[a[next]] + 1;
}

/* How many codes of each length there are, longer ones counted as `max_bits`. */
static void count_lengths(const uint32_t *a, uint32_t count, uint32_t max_bits, uint32_t *of_length) {
  uint32_t free_nodes = 1, inner = count - 1;
  for (uint32_t depth = 0; free_nodes > 0; depth++) {
    uint32_t used = 0;
    for (; inner > 0 && a[inner - 1] == depth; inner--) used++;
    of_length[depth < max_bits ? depth : max_bits] += free_nodes - used;
    free_nodes = 2 * used;
  }
}

/* Makes room for codes that were cut: each step takes one of them to below a shorter one, which is then one longer. */
static void make_complete(uint32_t *of_length, uint32_t max_bits) {
  uint32_t taken = 0, all = (uint32_t)1 << max_bits;
  for (uint32_t bits = 1; bits <= max_bits; bits++) taken += of_length[bits] << (max_bits - bits);
  for (; taken > all; taken--) {
    uint32_t bits = max_bits - 1;
    while (of_length[bits] == 0) bits--;
    of_length[bits]--;
    of_length[bits + 1] += 2;
    of_length[max_bits]--;
  }
}

/* Of at least one bit. Neighbours change places, then pairs of them, and so on. */
static uint16_t reversed(uint32_t code, uint32_t bits) {
  code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
  code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
  code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
  code = (code & 0x00ff) << 8 | (code >> 8 & 0x00ff);
  return (uint16_t)(code >> (16 - bits));
}

void deflate_number_codes(struct deflate_code *codes, uint32_t symbols) {
  uint32_t of_length[DEFLATE_MAX_BITS + 1] = {0}, next[DEFLATE_MAX_BITS + 1] = {0};
  for (uint32_t symbol = 0; symbol < symbols; symbol++) of_length[codes[symbol].bits]++;
  of_length[0] = 0;
  for (uint32_t bits = 1; bits <= DEFLATE_MAX_BITS; bits++) next[bits] = (next[bits - 1] + of_length[bits - 1]) << 1;
  for (uint32_t symbol = 0; symbol < symbols; symbol++) {
    uint32_t bits = codes[symbol].bits;
    if (bits > 0) codes[symbol].code = reversed(next[bits]++, bits);
  }
}

void deflate_make_codes(const uint32_t *counts, uint32_t symbols, uint32_t max_bits, struct deflate_code *codes) {
  ranked order[DEFLATE_MAX_SYMBOLS];
  uint32_t weights[DEFLATE_MAX_SYMBOLS], of_length[DEFLATE_MAX_BITS + 1] = {0};
  uint32_t count = rank(counts, symbols, order), at = 0;
  for (uint32_t i = 0; i < count; i++) weights[i] = (uint32_t)(order[i] >> SYMBOL_BITS);
  pair_up(weights, count);
  find_depths(weights, count);
  count_lengths(weights, count, max_bits, of_length);
  make_complete(of_length, max_bits);
  memset(codes, 0, symbols * sizeof *codes);
  for (uint32_t bits = max_bits; bits > 0; bits--)
    for (uint32_t i = 0; i < of_length[bits]; i++) codes[(uint16_t)order[at++]].bits = (uint8_t)bits;
  deflate_number_codes(codes, symbols);
}
