/*
 * Stands in for zlib, which is inside the Node binary that this program is not loaded by: a member is gzip's magic, a length and as many
 * bytes as they are. The driver is after wild reads and leaks around it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/inflate.h"

enum { HEAD_BYTES = 5 };

struct inflater {
  uint8_t head[HEAD_BYTES];
  size_t head_len, left;
};

enum inflate_library inflate_best(void) {
  return INFLATE_ZLIB;
}

struct inflater *inflater_new(enum inflate_library library, bool checked, struct err *err) {
  (void)library;
  (void)checked;
  (void)err;
  return calloc(1, sizeof(struct inflater));
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

int inflater_run(struct inflater *inflater, const uint8_t *in, size_t len, uint8_t *out, size_t room, struct inflate_step *step,
                 struct err *err) {
  size_t head = least(HEAD_BYTES - inflater->head_len, len);
  memcpy(inflater->head + inflater->head_len, in, head);
  inflater->head_len += head;
  *step = (struct inflate_step){.consumed = head};
  if (inflater->head_len < HEAD_BYTES) return 0;
  if (memcmp(inflater->head, "\x1f\x8b\x08", 3) != 0) return err_detail(err, EILSEQ, "inflate", NULL, "incorrect header check");
  if (head > 0) inflater->left = (size_t)inflater->head[3] << 8 | inflater->head[4];
  step->produced = least(inflater->left, least(len - head, room));
  memcpy(out, in + head, step->produced);
  step->consumed += step->produced;
  inflater->left -= step->produced;
  step->ended = inflater->left == 0;
  if (step->ended) inflater->head_len = 0;
  return 0;
}

void inflater_free(struct inflater **inflater) {
  free(*inflater);
  *inflater = NULL;
}
