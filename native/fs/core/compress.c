#include "compress.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "deflate.h"

/*
 * zstd's interface, as far as it is used here. The library is inside the Node binary, whose headers leave it out (zlib's are there).
 */
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct {
  void *(*alloc)(void *opaque, size_t size);
  void (*free)(void *opaque, void *address);
  void *opaque;
} ZSTD_customMem;
enum { ZSTD_c_compressionLevel = 100, ZSTD_c_checksumFlag = 201 };
extern ZSTD_CCtx *ZSTD_createCCtx_advanced(ZSTD_customMem memory);
extern size_t ZSTD_freeCCtx(ZSTD_CCtx *context);
extern size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *context, int parameter, int value);
extern size_t ZSTD_compress2(ZSTD_CCtx *context, void *out, size_t room, const void *bytes, size_t len);
extern unsigned ZSTD_isError(size_t code);
extern const char *ZSTD_getErrorName(size_t code);

/* The largest hash table: a tenth faster than the default, for 128 KiB more. */
enum { MEMORY_LEVEL = 9 };

/* ---- the library's memory ---- */

/* Hands out the caller's memory from its beginning on; nothing of it comes back before the block is done. */
struct work {
  uint8_t *data;
  size_t size;
  size_t used;
};

enum { WORK_ALIGNMENT = 64 };

static void *work_alloc(void *opaque, size_t size) {
  struct work *work = opaque;
  uintptr_t misfit = (uintptr_t)(work->data + work->used) % WORK_ALIGNMENT;
  size_t padding = misfit == 0 ? 0 : WORK_ALIGNMENT - misfit;
  size_t room = work->size - work->used;
  if (padding > room || size > room - padding) return malloc(size);
  uint8_t *memory = work->data + work->used + padding;
  work->used += padding + size;
  return memory;
}

static void work_free(void *opaque, void *memory) {
  const struct work *work = opaque;
  uintptr_t at = (uintptr_t)memory, start = (uintptr_t)work->data;
  if (at < start || at >= start + work->size) free(memory);
}

static voidpf work_alloc_items(voidpf opaque, uInt items, uInt size) {
  return work_alloc(opaque, (size_t)items * size);
}

/* ---- the two algorithms ---- */

struct target {
  uint8_t *out;
  size_t room;
  size_t *size;
};

static int deflate_all(z_stream *stream, const uint8_t *bytes, size_t len, const struct target *target, struct err *err) {
  size_t room = target->room < INT_MAX ? target->room : INT_MAX;
  stream->next_in = (Bytef *)bytes; /* only read; the type is older than const */
  stream->avail_in = (uInt)len;
  stream->next_out = target->out;
  stream->avail_out = (uInt)room;
  int status = deflate(stream, Z_SYNC_FLUSH);
  if (status != Z_OK || stream->avail_in > 0 || stream->avail_out == 0)
    return err_detail(err, EIO, "deflate", NULL, stream->msg == NULL ? "the block did not fit" : stream->msg);
  *target->size = room - stream->avail_out;
  return 0;
}

static int own_deflate_block(int level, struct work *work, const uint8_t *bytes, size_t len, const struct target *target,
                             struct err *err) {
  void *memory = work_alloc(work, deflate_work_bytes());
  if (memory == NULL) return err_set(err, ENOMEM, "malloc", NULL);
  bool fits = deflate_encode(level, memory, bytes, len, target->out, target->room, target->size);
  work_free(work, memory);
  return fits ? 0 : err_detail(err, EIO, "deflate", NULL, "the block did not fit");
}

static int deflate_block(int level, struct work *work, const uint8_t *bytes, size_t len, const struct target *target,
                         struct err *err) {
  z_stream stream = {.zalloc = work_alloc_items, .zfree = work_free, .opaque = work};
  int status = deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
  if (status == Z_MEM_ERROR) return err_set(err, ENOMEM, "deflateInit2", NULL);
  if (status != Z_OK) return err_set(err, EINVAL, "deflateInit2", NULL);
  int failed = deflate_all(&stream, bytes, len, target, err);
  deflateEnd(&stream);
  return failed;
}

static int zstd_all(ZSTD_CCtx *context, const uint8_t *bytes, size_t len, const struct target *target, struct err *err) {
  size_t size = ZSTD_compress2(context, target->out, target->room, bytes, len);
  if (ZSTD_isError(size)) return err_detail(err, EIO, "ZSTD_compress2", NULL, ZSTD_getErrorName(size));
  *target->size = size;
  return 0;
}

/*
 * A context of its own for each block, not one that is reset: from level 5 on, the tables of a used one are salted by what it has seen,
 * and equal blocks would not give equal bytes.
 */
static int zstd_block(int level, struct work *work, const uint8_t *bytes, size_t len, const struct target *target,
                      struct err *err) {
  ZSTD_customMem memory = {.alloc = work_alloc, .free = work_free, .opaque = work};
  ZSTD_CCtx *context = ZSTD_createCCtx_advanced(memory);
  if (context == NULL) return err_set(err, ENOMEM, "ZSTD_createCCtx", NULL);
  size_t set = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (!ZSTD_isError(set)) set = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  int failed = ZSTD_isError(set) ? err_set(err, EINVAL, "ZSTD_CCtx_setParameter", NULL)
                                 : zstd_all(context, bytes, len, target, err);
  ZSTD_freeCCtx(context);
  return failed;
}

int compress_block(const struct compress_options *options, const uint8_t *bytes, size_t len, uint8_t *out, size_t room,
                   size_t *size, struct err *err) {
  struct work work = {.data = options->work, .size = options->work_size};
  struct target target = {.out = out, .room = room, .size = size};
  if (len > INT_MAX) return err_set(err, EINVAL, "compress", NULL);
  if (options->algorithm == COMPRESS_ZSTD) return zstd_block(options->level, &work, bytes, len, &target, err);
  if (deflate_has_level(options->level)) return own_deflate_block(options->level, &work, bytes, len, &target, err);
  return deflate_block(options->level, &work, bytes, len, &target, err);
}
