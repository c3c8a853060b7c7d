/*
 * Stands in for OpenSSL, which is inside the Node binary that this program is not loaded by: FNV-1a spread over the 32 bytes. The driver
 * is after wild reads and leaks, not after digests.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/sha256.h"

struct sha256 {
  uint64_t state;
};

struct sha256 *sha256_new(struct err *err) {
  (void)err;
  return calloc(1, sizeof(struct sha256));
}

int sha256_begin(struct sha256 *sha256, struct err *err) {
  (void)err;
  sha256->state = 14695981039346656037u;
  return 0;
}

int sha256_update(struct sha256 *sha256, const void *bytes, size_t len, struct err *err) {
  (void)err;
  for (size_t i = 0; i < len; i++) sha256->state = (sha256->state ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
  return 0;
}

int sha256_end(struct sha256 *sha256, uint8_t digest[SHA256_BYTES], struct err *err) {
  (void)err;
  for (int i = 0; i < SHA256_BYTES; i += 8) memcpy(digest + i, &sha256->state, 8);
  return 0;
}

void sha256_free(struct sha256 **sha256) {
  free(*sha256);
  *sha256 = NULL;
}
