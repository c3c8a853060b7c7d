#include "inflate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#include "isal.h"

/* A gzip wrapper and the largest window. */
enum { GZIP_WINDOW = 16 + MAX_WBITS };

struct inflater {
  bool checked;
  bool has_ended;
  const char *fault; /* that ISA-L has found, which it would not tell again */
  z_stream zlib;
  const struct isal *isal; /* NULL: zlib inflates */
  struct isal_state state[];
};

enum inflate_library inflate_best(void) {
  return isal_load() == NULL ? INFLATE_ZLIB : INFLATE_ISAL;
}

static bool begin(struct inflater *inflater) {
  if (inflater->isal != NULL) {
    isal_begin(inflater->isal, inflater->state);
    return true;
  }
  if (inflateInit2(&inflater->zlib, GZIP_WINDOW) != Z_OK) return false;
  /* The checksum takes a tenth as long as all the rest. */
  if (!inflater->checked) inflateValidate(&inflater->zlib, 0);
  return true;
}

struct inflater *inflater_new(enum inflate_library library, bool checked, struct err *err) {
  const struct isal *isal = library == INFLATE_ISAL ? isal_load() : NULL;
  if (library == INFLATE_ISAL && isal == NULL) {
    err_set(err, ENOENT, "dlopen", "libisal.so.2");
    return NULL;
  }
  struct inflater *inflater = malloc(sizeof *inflater + (isal == NULL ? 0 : sizeof(struct isal_state)));
  if (inflater != NULL) {
    *inflater = (struct inflater){.checked = checked, .isal = isal};
    if (begin(inflater)) return inflater;
  }
  free(inflater);
  err_set(err, ENOMEM, "inflateInit2", NULL);
  return NULL;
}

static uint32_t at_most(size_t size) {
  return size < INT_MAX ? (uint32_t)size : INT_MAX;
}

static int damaged(struct err *err, const char *how) {
  return err_detail(err, EILSEQ, "inflate", NULL, how);
}

/* What a step is given, no more of either than its library counts. */
struct given {
  const uint8_t *in;
  uint8_t *out;
  uint32_t len, room;
};

static int run_zlib(struct inflater *inflater, const struct given *given, struct inflate_step *step, struct err *err) {
  z_stream *stream = &inflater->zlib;
  if (inflater->has_ended) inflateReset(stream);
  stream->next_in = (Bytef *)given->in; /* only read; the type is older than const */
  stream->avail_in = given->len;
  stream->next_out = given->out;
  stream->avail_out = given->room;
  int status = inflate(stream, Z_NO_FLUSH);
  /* Z_BUF_ERROR: there was nothing to do, which is no error. */
  if (status == Z_MEM_ERROR) return err_set(err, ENOMEM, "inflate", NULL);
  bool is_damaged = status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR;
  /* What came before the damage is given first; zlib says the same of it again. */
  if (is_damaged && stream->avail_out == given->room) return damaged(err, stream->msg == NULL ? "it is no gzip data" : stream->msg);
  *step = (struct inflate_step){
      .consumed = given->len - stream->avail_in,
      .produced = given->room - stream->avail_out,
      .ended = status == Z_STREAM_END,
  };
  return 0;
}

static int run_isal(struct inflater *inflater, const struct given *given, struct inflate_step *step, struct err *err) {
  struct isal_state *state = inflater->state;
  if (inflater->fault != NULL) return damaged(err, inflater->fault);
  if (inflater->has_ended) inflater->isal->reset(state);
  state->next_in = given->in;
  state->avail_in = given->len;
  state->next_out = given->out;
  state->avail_out = given->room;
  int result = inflater->isal->inflate(state);
  bool ended = state->block_state == ISAL_BLOCK_FINISH;
  /* A checksum of the header is compared whether or not that of the data is. */
  if (result == ISAL_INCORRECT_CHECKSUM && ended && !inflater->checked) result = ISAL_OK;
  if (result < 0) inflater->fault = isal_message(result);
  if (result < 0 && state->avail_out == given->room) return damaged(err, inflater->fault);
  *step = (struct inflate_step){
      /* It does not count well what was read up to damage; what is left has the caller come again, and hear of that. */
      .consumed = result < 0 ? 0 : given->len - state->avail_in,
      .produced = given->room - state->avail_out,
      .ended = result >= 0 && ended,
  };
  return 0;
}

int inflater_run(struct inflater *inflater, const uint8_t *in, size_t len, uint8_t *out, size_t room, struct inflate_step *step,
                 struct err *err) {
  const struct given given = {.in = in, .out = out, .len = at_most(len), .room = at_most(room)};
  int status = inflater->isal == NULL ? run_zlib(inflater, &given, step, err) : run_isal(inflater, &given, step, err);
  if (status == 0) inflater->has_ended = step->ended;
  return status;
}

void inflater_free(struct inflater **inflater) {
  if (*inflater == NULL) return;
  if ((*inflater)->isal == NULL) inflateEnd(&(*inflater)->zlib);
  free(*inflater);
  *inflater = NULL;
}
