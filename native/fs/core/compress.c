#include "compress.h"

#include <errno.h>
#include <limits.h>
#include <zlib.h>

/*
 * zstd's stable interface, as far as it is used here. The library is inside the Node binary, whose headers leave it out (zlib's are there).
 */
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
enum { ZSTD_c_compressionLevel = 100, ZSTD_c_checksumFlag = 201 };
extern ZSTD_CCtx *ZSTD_createCCtx(void);
extern size_t ZSTD_freeCCtx(ZSTD_CCtx *context);
extern size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *context, int parameter, int value);
extern size_t ZSTD_compress2(ZSTD_CCtx *context, void *out, size_t room, const void *bytes, size_t len);
extern size_t ZSTD_compressBound(size_t len);
extern unsigned ZSTD_isError(size_t code);
extern const char *ZSTD_getErrorName(size_t code);

/* What deflateBound() leaves out: the empty block that a flush ends with. */
enum { FLUSH_BYTES = 16 };
/* The largest hash table: a tenth faster than the default, for 128 KiB more. */
enum { MEMORY_LEVEL = 9 };

static int deflate_all(z_stream *stream, const uint8_t *bytes, size_t len, struct buf *out, struct err *err) {
  if (buf_reserve(out, deflateBound(stream, len) + FLUSH_BYTES, err) < 0) return -1;
  size_t room = out->cap - out->len;
  stream->next_in = (Bytef *)bytes; /* only read; the type is older than const */
  stream->avail_in = (uInt)len;
  stream->next_out = out->data + out->len;
  stream->avail_out = (uInt)room;
  int status = deflate(stream, Z_SYNC_FLUSH);
  if (status != Z_OK || stream->avail_in > 0 || stream->avail_out == 0)
    return err_detail(err, EIO, "deflate", NULL, stream->msg == NULL ? "the block did not fit" : stream->msg);
  out->len += room - stream->avail_out;
  return 0;
}

static int deflate_block(int level, const uint8_t *bytes, size_t len, struct buf *out, struct err *err) {
  z_stream stream = {0};
  int status = deflateInit2(&stream, level, Z_DEFLATED, -MAX_WBITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
  if (status == Z_MEM_ERROR) return err_set(err, ENOMEM, "deflateInit2", NULL);
  if (status != Z_OK) return err_set(err, EINVAL, "deflateInit2", NULL);
  int failed = deflate_all(&stream, bytes, len, out, err);
  deflateEnd(&stream);
  return failed;
}

static int zstd_failed(size_t code, const char *call, struct err *err) {
  return err_detail(err, EIO, call, NULL, ZSTD_getErrorName(code));
}

static int zstd_all(ZSTD_CCtx *context, const uint8_t *bytes, size_t len, struct buf *out, struct err *err) {
  if (buf_reserve(out, ZSTD_compressBound(len), err) < 0) return -1;
  size_t size = ZSTD_compress2(context, out->data + out->len, out->cap - out->len, bytes, len);
  if (ZSTD_isError(size)) return zstd_failed(size, "ZSTD_compress2", err);
  out->len += size;
  return 0;
}

static int zstd_block(int level, const uint8_t *bytes, size_t len, struct buf *out, struct err *err) {
  ZSTD_CCtx *context = ZSTD_createCCtx();
  if (context == NULL) return err_set(err, ENOMEM, "ZSTD_createCCtx", NULL);
  size_t set = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  if (!ZSTD_isError(set)) set = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  int failed = ZSTD_isError(set) ? err_set(err, EINVAL, "ZSTD_CCtx_setParameter", NULL)
                                 : zstd_all(context, bytes, len, out, err);
  ZSTD_freeCCtx(context);
  return failed;
}

int compress_block(const struct compress_options *options, const uint8_t *bytes, size_t len, struct buf *out,
                   struct err *err) {
  if (len > INT_MAX) return err_set(err, EINVAL, "compress", NULL);
  if (options->algorithm == COMPRESS_ZSTD) return zstd_block(options->level, bytes, len, out, err);
  return deflate_block(options->level, bytes, len, out, err);
}
