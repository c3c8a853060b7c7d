#include "hash_behind.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

/* Two would do; with more, neither side waits for a hiccup of the other. */
enum { BUFFERS = 4, STACK_BYTES = 256 * 1024 };

struct hash_behind {
  struct sha256 *sha256;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  /* Numbers since the beginning: buffer `n` is the one at n % BUFFERS. */
  size_t added;
  size_t hashed;
  size_t lens[BUFFERS];
  bool ended;
  bool failed;
  struct err err;
  char *buffers;
};

static char *buffer_at(struct hash_behind *behind, size_t n) {
  return behind->buffers + n % BUFFERS * HASH_BEHIND_BYTES;
}

/* Waits for the next buffer; false when there will be none. */
static bool await_next(struct hash_behind *behind) {
  pthread_mutex_lock(&behind->lock);
  while (behind->hashed == behind->added && !behind->ended) pthread_cond_wait(&behind->changed, &behind->lock);
  bool is_there = behind->hashed < behind->added;
  pthread_mutex_unlock(&behind->lock);
  return is_there;
}

static void tell_hashed(struct hash_behind *behind) {
  pthread_mutex_lock(&behind->lock);
  behind->hashed++;
  pthread_cond_signal(&behind->changed);
  pthread_mutex_unlock(&behind->lock);
}

/* After a failure the buffers are emptied all the same: the caller must not wait for ever. */
static void *hash_all(void *argument) {
  struct hash_behind *behind = argument;
  while (await_next(behind)) {
    size_t n = behind->hashed;
    if (!behind->failed && sha256_update(behind->sha256, buffer_at(behind, n), behind->lens[n % BUFFERS], &behind->err) < 0)
      behind->failed = true;
    tell_hashed(behind);
  }
  return NULL;
}

/* No signal of the process is for this thread. */
static int start_thread(struct hash_behind *behind) {
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes) != 0) return -1;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&behind->thread, &attributes, hash_all, behind);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return failed == 0 ? 0 : -1;
}

static void behind_free(struct hash_behind *behind) {
  pthread_mutex_destroy(&behind->lock);
  pthread_cond_destroy(&behind->changed);
  free(behind->buffers);
  free(behind);
}

struct hash_behind *hash_behind_start(struct sha256 *sha256) {
  struct hash_behind *behind = calloc(1, sizeof *behind);
  if (behind == NULL) return NULL;
  behind->sha256 = sha256;
  behind->err = ERR_INIT;
  behind->buffers = malloc((size_t)BUFFERS * HASH_BEHIND_BYTES);
  pthread_mutex_init(&behind->lock, NULL);
  pthread_cond_init(&behind->changed, NULL);
  if (behind->buffers != NULL && start_thread(behind) == 0) return behind;
  behind_free(behind);
  return NULL;
}

char *hash_behind_buffer(struct hash_behind *behind) {
  pthread_mutex_lock(&behind->lock);
  while (behind->added - behind->hashed == BUFFERS) pthread_cond_wait(&behind->changed, &behind->lock);
  char *buffer = buffer_at(behind, behind->added);
  pthread_mutex_unlock(&behind->lock);
  return buffer;
}

void hash_behind_add(struct hash_behind *behind, size_t len) {
  pthread_mutex_lock(&behind->lock);
  behind->lens[behind->added % BUFFERS] = len;
  behind->added++;
  pthread_cond_signal(&behind->changed);
  pthread_mutex_unlock(&behind->lock);
}

int hash_behind_end(struct hash_behind **behind, struct err *err) {
  struct hash_behind *ending = *behind;
  pthread_mutex_lock(&ending->lock);
  ending->ended = true;
  pthread_cond_signal(&ending->changed);
  pthread_mutex_unlock(&ending->lock);
  pthread_join(ending->thread, NULL);
  int failed = ending->failed ? err_set(err, ending->err.code, ending->err.call, NULL) : 0;
  err_free(&ending->err);
  behind_free(ending);
  *behind = NULL;
  return failed;
}
