#include "deflate.h"

#include <string.h>

#include "deflate_write.h"

/* How long is looked for a match. */
struct effort {
  uint32_t depth; /* places that are compared */
  uint32_t nice;  /* a match that is good enough to take at once */
};

enum { FIRST_LEVEL = 4, LAST_LEVEL = 7 };
static const struct effort efforts[] = {{6, 64}, {10, 128}, {16, 258}, {40, 258}};

enum { HASH_BITS = 16, HASH3_BITS = 14, HASH_BYTES = 4, FAR_FOR_SHORT = 4096 };
/* Behind this nothing begins that is looked up: the look-ups read 8 bytes. */
enum { TAIL = 8 };
/* More than the codes of most matches take: who does without a poor one often finds a good one a little later. */
enum { MATCH_CODE_BITS = 13 };
/* After so many misses (as a power of two) each look-up stands for one byte more, at most for so many besides its own. */
enum { MISSES_SHIFT = 6, MOST_UNSEEN = 31 };
/* Where the same comes for long, one place of so many is remembered: who begins between two of them finds the next. */
enum { LONG_STRIDE = 8 };
/* So many bytes are taken without looking for more elsewhere. */
enum { LEAST_COPIED = 32 };

/*
 * Places are counted from a base that moves on by a window whenever 16 bits are not enough: half the memory, and the tables stay near the
 * processor. All places are a window and more from the base when they are remembered; 0 is none, or one that is too far behind.
 */
struct matcher {
  const uint8_t *bytes;
  size_t len;
  size_t base; /* what is added to a place in `bytes`; goes down, modulo the range of the type */
  /* Of the next place, which is where most look-ups go: their entries are on the way to the processor meanwhile. */
  uint32_t next_hash;
  uint32_t next_hash3;
  uint16_t head[1 << HASH_BITS];
  uint16_t head3[1 << HASH3_BITS];
  uint16_t before[DEFLATE_WINDOW]; /* the place with the same hash before the one at this place, modulo the window */
};

struct work {
  struct matcher matcher;
  uint32_t misses; /* since the last match: places that were looked up in vain */
  uint32_t copied; /* the distance at which much was the same; 0: none yet */
  struct deflate_block block;
};

struct match {
  uint32_t length; /* 0: none */
  uint32_t distance;
};

static inline uint32_t load4(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static inline uint64_t load8(const uint8_t *at) {
  uint64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static inline uint32_t hash4(uint32_t four) {
  return (four * 0x9e3779b1u) >> (32 - HASH_BITS);
}

static inline uint32_t hash3(uint32_t four) {
  return ((four << 8) * 0x9e3779b1u) >> (32 - HASH3_BITS);
}

static void move_on(uint16_t *places, size_t count) {
  for (size_t i = 0; i < count; i++) places[i] = places[i] > DEFLATE_WINDOW ? (uint16_t)(places[i] - DEFLATE_WINDOW) : 0;
}

/* Of what is at `at`, moving the base when it must. */
static inline uint32_t place_of(struct matcher *matcher, size_t at) {
  if (at + matcher->base > UINT16_MAX) {
    move_on(matcher->head, sizeof matcher->head / sizeof *matcher->head);
    move_on(matcher->head3, sizeof matcher->head3 / sizeof *matcher->head3);
    move_on(matcher->before, sizeof matcher->before / sizeof *matcher->before);
    matcher->base -= DEFLATE_WINDOW;
  }
  return (uint32_t)(at + matcher->base);
}

/* Remembers what is at `at`, and returns the last place with the same four bytes (or the same hash). */
static inline uint32_t insert(struct matcher *matcher, size_t at, uint32_t place, uint32_t *short_one) {
  uint16_t *head = &matcher->head[matcher->next_hash], *head3 = &matcher->head3[matcher->next_hash3];
  uint32_t next = load4(matcher->bytes + at + 1);
  matcher->next_hash = hash4(next);
  matcher->next_hash3 = hash3(next);
  __builtin_prefetch(&matcher->head[matcher->next_hash], 1);
  __builtin_prefetch(&matcher->head3[matcher->next_hash3], 1);
  uint16_t found = *head;
  *short_one = *head3;
  matcher->before[place % DEFLATE_WINDOW] = found;
  *head = *head3 = (uint16_t)place;
  return found;
}

/* Lets what the next look-up will compare come meanwhile: to wait for it then takes as long as all the rest. */
static inline void expect_look_up(const struct matcher *matcher) {
  uint16_t next = matcher->head[matcher->next_hash];
  __builtin_prefetch((const void *)((uintptr_t)matcher->bytes + next - matcher->base));
  __builtin_prefetch(&matcher->before[next % DEFLATE_WINDOW]);
}

static inline uint32_t common_length(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t most) {
  uint32_t length = from;
  for (; length + 8 <= most; length += 8) {
    uint64_t different = load8(a + length) ^ load8(b + length);
    if (different != 0) return length + (uint32_t)__builtin_ctzll(different) / 8;
  }
  while (length < most && a[length] == b[length]) length++;
  return length;
}

/* Three bytes are worth a match that is near. */
static struct match short_match(const uint8_t *at, uint32_t distance) {
  if (distance > FAR_FOR_SHORT) return (struct match){0};
  if ((load4(at) ^ load4(at - distance)) << 8 != 0) return (struct match){0};
  return (struct match){.length = DEFLATE_MIN_MATCH, .distance = distance};
}

/* The longest match of more than `beat` bytes for what is at `at`, which is remembered on the way. Inline: it is returned in registers then. */
static inline __attribute__((always_inline)) struct match find(struct matcher *matcher, size_t at, uint32_t beat, uint32_t depth,
                                                               uint32_t nice) {
  const uint8_t *here = matcher->bytes + at;
  uint32_t four = load4(here), place = place_of(matcher, at), least = place - DEFLATE_WINDOW;
  uint32_t most = matcher->len - at < DEFLATE_MAX_MATCH ? (uint32_t)(matcher->len - at) : DEFLATE_MAX_MATCH;
  uint32_t short_one, other = insert(matcher, at, place, &short_one);
  expect_look_up(matcher);
  struct match best = {0};
  if (beat < DEFLATE_MIN_MATCH) best = short_match(here, place - short_one);
  uint32_t length = best.length > beat ? best.length : beat;
  /* None is longer than what is left, and what would make one longer lies behind the end. */
  if (length >= most) return best;
  /* What makes a match longer is looked at first. */
  uint32_t ending = length < HASH_BYTES ? 0 : length - 3;
  for (; other > least && depth > 0; depth--) {
    uint32_t distance = place - other;
    const uint8_t *there = here - distance;
    other = matcher->before[other % DEFLATE_WINDOW];
    if (load4(there + ending) != load4(here + ending) || load4(there) != four) continue;
    uint32_t found = common_length(here, there, HASH_BYTES, most);
    if (found <= length) continue;
    best = (struct match){.length = length = found, .distance = distance};
    if (found >= nice || found == most) break;
    ending = length - 3;
  }
  return best;
}

/* Whether a match that begins a byte later is worth that byte: longer, or as long and much nearer, as far ones take more bits. */
static bool is_better(struct match later, struct match now) {
  if (later.length < now.length) return false;
  int32_t bits = 4 * (int32_t)(later.length - now.length) + (int32_t)deflate_log2(now.distance) - (int32_t)deflate_log2(later.distance);
  return bits > 2;
}

static bool is_full(const struct deflate_block *block) {
  /* Room for what one step adds. */
  return block->count + 2 + DEFLATE_MAX_MATCH > DEFLATE_TOKENS;
}

/* Where the next look-up is, if it is not the place behind the last one that was remembered. */
static inline void go_to(struct matcher *matcher, size_t at) {
  uint32_t four = load4(matcher->bytes + at);
  matcher->next_hash = hash4(four);
  matcher->next_hash3 = hash3(four);
}

/* Remembers what is not looked up. */
static void pass_over(struct matcher *matcher, size_t from, size_t to) {
  uint32_t ignored;
  for (; from < to; from++) insert(matcher, from, place_of(matcher, from), &ignored);
}

/* About what a match takes: the codes of its length and its distance, and the bits of the distance itself. */
static uint32_t match_bits(struct match match) {
  uint32_t extra = match.distance > 4 ? deflate_log2(match.distance - 1) - 1 : 0;
  return MATCH_CODE_BITS + extra;
}

/* Few bytes may take less as they are: in a text a far match of five is longer than five letters. */
static bool is_worth_it(const struct deflate_block *block, struct match match) {
  return match_bits(match) < match.length * block->literal_eighths / 8;
}

/*
 * A literal where nothing was found. What is compressed already has no matches at all, so the longer there was none, the more of what follows
 * is taken as it is; it is remembered all the same, in case it comes once more. Returns where that ends.
 */
static size_t miss(struct work *work, size_t at, size_t last) {
  uint32_t more = work->misses++ >> MISSES_SHIFT;
  if (more > MOST_UNSEEN) more = MOST_UNSEEN;
  size_t end = last - at > more ? at + 1 + more : last;
  pass_over(&work->matcher, at + 1, end);
  for (; at < end; at++) deflate_add_literal(&work->block, work->matcher.bytes[at]);
  return end;
}

/* Remembers a few places of what came before as a whole; `to` is what is looked up next. */
static void skim_over(struct matcher *matcher, size_t from, size_t to) {
  uint32_t ignored;
  for (; from < to; from += LONG_STRIDE) {
    go_to(matcher, from);
    insert(matcher, from, place_of(matcher, from), &ignored);
  }
  go_to(matcher, to);
}

/* Whether more may be the same at the distance at which much was. */
static inline bool is_copied(const struct work *work, size_t at) {
  const uint8_t *here = work->matcher.bytes + at;
  return work->copied != 0 && load8(here) == load8(here - work->copied);
}

/*
 * What is the same at the distance at which much was: copies of a file, or one byte over and over. Nothing is looked up for it, and little is
 * remembered. Returns where it ends.
 */
static size_t go_on(struct work *work, size_t at, size_t last) {
  struct matcher *matcher = &work->matcher;
  size_t from = at;
  uint32_t length = DEFLATE_MAX_MATCH;
  while (length == DEFLATE_MAX_MATCH && !is_full(&work->block)) {
    uint32_t most = last - at < DEFLATE_MAX_MATCH ? (uint32_t)(last - at) : DEFLATE_MAX_MATCH;
    length = common_length(matcher->bytes + at, matcher->bytes + at - work->copied, 0, most);
    if (length < LEAST_COPIED) break;
    deflate_add_match(&work->block, length, work->copied);
    at += length;
  }
  skim_over(matcher, from, at);
  return at;
}

/*
 * A match may have begun before it was found, where nothing was looked up or the place to find was not remembered: takes back literals of this
 * block that are in it. Returns how many.
 */
static uint32_t reach_back(struct work *work, size_t at, struct match match) {
  uint32_t more = 0;
  for (; match.length + more < DEFLATE_MAX_MATCH && at - more > match.distance; more++) {
    const uint8_t *before = work->matcher.bytes + at - more - 1;
    if (*before != *(before - match.distance) || !deflate_take_literal(&work->block)) break;
  }
  return more;
}

/* Literals and one match from `at` on; the match is taken when the one a byte later is no better (lazy matching). Returns where it ends. */
static size_t step(struct work *work, size_t at, size_t last, struct effort effort) {
  struct matcher *matcher = &work->matcher;
  if (is_copied(work, at)) {
    size_t end = go_on(work, at, last);
    if (end > at) return end;
  }
  struct match now = find(matcher, at, work->block.least - 1, effort.depth, effort.nice);
  if (now.length == 0) return miss(work, at, last);
  if (!is_worth_it(&work->block, now)) {
    deflate_add_literal(&work->block, matcher->bytes[at]);
    return at + 1;
  }
  work->misses = 0;
  size_t known = at + 1; /* all before it is remembered */
  while (now.length < effort.nice && known < last && !is_full(&work->block)) {
    struct match later = find(matcher, known, now.length - 1, effort.depth / 2, effort.nice);
    known++;
    if (later.length == 0 || !is_better(later, now)) break;
    deflate_add_literal(&work->block, matcher->bytes[at]);
    now = later;
    at++;
  }
  size_t end = at + now.length;
  now.length += reach_back(work, at, now);
  deflate_add_match(&work->block, now.length, now.distance);
  pass_over(matcher, known, end < last ? end : last);
  if (now.length == DEFLATE_MAX_MATCH) work->copied = now.distance;
  return end;
}

static void encode(struct work *work, struct effort effort, struct deflate_out *out) {
  const uint8_t *bytes = work->matcher.bytes;
  size_t len = work->matcher.len, last = len < TAIL ? 0 : len - TAIL, begun = 0, at = 0;
  while (at < len && !out->full) {
    if (at < last) at = step(work, at, last, effort);
    else deflate_add_literal(&work->block, bytes[at++]);
    if (!is_full(&work->block) && at < len) continue;
    deflate_write_block(out, &work->block, bytes + begun, at - begun);
    begun = at;
  }
  deflate_write_sync(out);
}

bool deflate_has_level(int level) {
  return level >= FIRST_LEVEL && level <= LAST_LEVEL;
}

size_t deflate_work_bytes(void) {
  return sizeof(struct work);
}

bool deflate_encode(int level, void *memory, const uint8_t *bytes, size_t len, uint8_t *out, size_t room, size_t *size) {
  struct work *work = memory;
  struct deflate_out to = {.at = out, .end = out + room};
  memset(work, 0, sizeof *work);
  work->matcher.bytes = bytes;
  work->matcher.len = len;
  work->matcher.base = DEFLATE_WINDOW;
  work->block.literal_eighths = 8 * 8;
  work->block.least = DEFLATE_MIN_MATCH;
  if (len >= TAIL) go_to(&work->matcher, 0);
  encode(work, efforts[level - FIRST_LEVEL], &to);
  *size = (size_t)(to.at - out);
  return !to.full;
}
