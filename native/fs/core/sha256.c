#include "sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
  EVP_MD_CTX *context;
  EVP_MD *algorithm; /* fetched once: EVP_sha256() would be looked up under a lock for every file */
};

static int failed(struct err *err) {
  return err_set(err, EIO, "EVP_Digest", NULL);
}

struct sha256 *sha256_new(struct err *err) {
  struct sha256 *sha256 = calloc(1, sizeof *sha256);
  if (sha256 == NULL) {
    err_set(err, ENOMEM, "calloc", NULL);
    return NULL;
  }
  sha256->context = EVP_MD_CTX_new();
  sha256->algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
  if (sha256->context == NULL || sha256->algorithm == NULL) {
    failed(err);
    sha256_free(&sha256);
  }
  return sha256;
}

int sha256_begin(struct sha256 *sha256, struct err *err) {
  return EVP_DigestInit_ex2(sha256->context, sha256->algorithm, NULL) == 1 ? 0 : failed(err);
}

int sha256_update(struct sha256 *sha256, const void *bytes, size_t len, struct err *err) {
  return EVP_DigestUpdate(sha256->context, bytes, len) == 1 ? 0 : failed(err);
}

int sha256_end(struct sha256 *sha256, uint8_t digest[SHA256_BYTES], struct err *err) {
  return EVP_DigestFinal_ex(sha256->context, digest, NULL) == 1 ? 0 : failed(err);
}

void sha256_free(struct sha256 **sha256) {
  if (*sha256 == NULL) return;
  EVP_MD_CTX_free((*sha256)->context);
  EVP_MD_free((*sha256)->algorithm);
  free(*sha256);
  *sha256 = NULL;
}
