#include "utf8.h"

#include <stdint.h>

/* Length of the sequence at `at`, 0 when it is malformed. RFC 3629, table of section 4. */
static size_t sequence_length(const uint8_t *at, size_t left) {
  uint8_t lead = at[0], low = 0x80, high = 0xBF;
  size_t len = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || len > left) return 0;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < len; i++)
    if ((at[i] & 0xC0) != 0x80) return 0;
  return len;
}

bool utf8_valid(const char *bytes, size_t len) {
  const uint8_t *at = (const uint8_t *)bytes, *end = at + len;
  while (at < end) {
    if (*at < 0x80) {
      at++;
      continue;
    }
    size_t sequence = sequence_length(at, (size_t)(end - at));
    if (sequence == 0) return false;
    at += sequence;
  }
  return true;
}
