/* SHA-256, behind a name of its own so that the sanitizer build can do without the OpenSSL inside the Node binary. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { SHA256_BYTES = 32 };

struct sha256;

struct sha256 *sha256_new(struct err *err);
/* Starts a new digest. */
int sha256_begin(struct sha256 *sha256, struct err *err);
int sha256_update(struct sha256 *sha256, const void *bytes, size_t len, struct err *err);
int sha256_end(struct sha256 *sha256, uint8_t digest[SHA256_BYTES], struct err *err);
void sha256_free(struct sha256 **sha256);
