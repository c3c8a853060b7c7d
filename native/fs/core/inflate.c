#include "inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* A gzip wrapper and the largest window. */
enum { GZIP_WINDOW = 16 + MAX_WBITS };

struct inflater {
  z_stream stream;
  bool has_ended;
};

struct inflater *inflater_new(bool checked, struct err *err) {
  struct inflater *inflater = calloc(1, sizeof *inflater);
  bool is_ready = inflater != NULL && inflateInit2(&inflater->stream, GZIP_WINDOW) == Z_OK;
  /* The checksum takes a tenth as long as all the rest. */
  if (is_ready && !checked) inflateValidate(&inflater->stream, 0);
  if (is_ready) return inflater;
  free(inflater);
  err_set(err, ENOMEM, "inflateInit2", NULL);
  return NULL;
}

static uInt at_most(size_t size) {
  return size < INT_MAX ? (uInt)size : INT_MAX;
}

int inflater_run(struct inflater *inflater, const uint8_t *in, size_t len, uint8_t *out, size_t room, struct inflate_step *step,
                 struct err *err) {
  z_stream *stream = &inflater->stream;
  if (inflater->has_ended) inflateReset(stream);
  uInt given = at_most(len), free_bytes = at_most(room);
  stream->next_in = (Bytef *)in; /* only read; the type is older than const */
  stream->avail_in = given;
  stream->next_out = out;
  stream->avail_out = free_bytes;
  int status = inflate(stream, Z_NO_FLUSH);
  /* Z_BUF_ERROR: there was nothing to do, which is no error. */
  if (status == Z_MEM_ERROR) return err_set(err, ENOMEM, "inflate", NULL);
  bool is_damaged = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
  /* What came before the damage is given first; zlib says the same of it again. */
  if (is_damaged && stream->avail_out == free_bytes)
    return err_detail(err, EILSEQ, "inflate", NULL, stream->msg == NULL ? "it is no gzip data" : stream->msg);
  inflater->has_ended = status == Z_STREAM_END;
  *step = (struct inflate_step){
      .consumed = given - stream->avail_in,
      .produced = free_bytes - stream->avail_out,
      .ended = inflater->has_ended,
  };
  return 0;
}

void inflater_free(struct inflater **inflater) {
  if (*inflater == NULL) return;
  inflateEnd(&(*inflater)->stream);
  free(*inflater);
  *inflater = NULL;
}
