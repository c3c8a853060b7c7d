#include "plain_header.h"

#include <string.h>

/* Where the fields of a header block are, and how long. */
enum {
  NAME = 0,
  NAME_LEN = 100,
  MODE = 100,
  UID = 108,
  GID = 116,
  ID_LEN = 8,
  SIZE = 124,
  MTIME = 136,
  NUMBER_LEN = 12,
  CHECKSUM = 148,
  CHECKSUM_LEN = 8,
  TYPE = 156,
  LINK = 157,
  MAGIC = 257,
  MAJOR = 329,
  MINOR = 337,
  PREFIX = 345,
  PREFIX_LEN = 155
};

/* Longer ones hold attributes, which are not for here. */
enum { PAX_DIGITS = 5, SECOND_DIGITS = 10, NANO_DIGITS = 9 };
/* 64-bit nanoseconds reach so far. */
static const int64_t SECONDS_MAX = 9223372035;

struct text {
  const char *bytes;
  size_t len;
};

/* What an extended header says; absent texts have no bytes. */
struct records {
  struct text path, target;
  struct timespec mtime;
  bool has_mtime;
};

/* ---- one block ---- */

/* Octal digits to the field's end, or to a space or NUL. */
static bool octal(const uint8_t *block, size_t at, size_t len, uint64_t *number) {
  size_t digits = 0;
  *number = 0;
  for (; digits < len && block[at + digits] >= '0' && block[at + digits] <= '7'; digits++)
    *number = *number * 8 + (block[at + digits] - '0');
  return digits > 0 && (digits == len || block[at + digits] == ' ' || block[at + digits] == '\0');
}

/* A number that means nothing here, but has to be one; or nothing at all. */
static bool is_octal_or_empty(const uint8_t *block, size_t at, size_t len) {
  uint64_t ignored;
  return block[at] == '\0' || octal(block, at, len, &ignored);
}

static bool has_checksum(const uint8_t *block) {
  uint64_t expected;
  unsigned sum = CHECKSUM_LEN * ' ';
  for (size_t at = 0; at < CHECKSUM; at++) sum += block[at];
  for (size_t at = CHECKSUM + CHECKSUM_LEN; at < TAR_BLOCK; at++) sum += block[at];
  return octal(block, CHECKSUM, CHECKSUM_LEN, &expected) && expected == sum;
}

static bool is_header(const uint8_t *block) {
  return memcmp(block + MAGIC, "ustar", 5) == 0 && has_checksum(block);
}

static struct text field(const uint8_t *block, size_t at, size_t len) {
  const char *bytes = (const char *)block + at;
  return (struct text){bytes, strnlen(bytes, len)};
}

/* ---- names ---- */

static bool is_plain_name(const char *name, size_t len) {
  return len > 0 && !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

static bool is_plain_path(const char *path, size_t len) {
  for (const char *end = path + len;;) {
    const char *slash = memchr(path, '/', (size_t)(end - path));
    if (!is_plain_name(path, (size_t)((slash == NULL ? end : slash) - path))) return false;
    if (slash == NULL) return true;
    path = slash + 1;
  }
}

/* `text` as a path below the root, in `path`. */
static bool plain_path(struct text text, char path[PATH_MAX]) {
  if (text.len >= 2 && memcmp(text.bytes, "./", 2) == 0) text = (struct text){text.bytes + 2, text.len - 2};
  if (text.len >= PATH_MAX || !is_plain_path(text.bytes, text.len)) return false;
  memcpy(path, text.bytes, text.len);
  path[text.len] = '\0';
  return true;
}

static bool is_marker(const char *path) {
  const char *slash = strrchr(path, '/');
  return strncmp(slash == NULL ? path : slash + 1, ".wh.", 4) == 0;
}

/* POSIX's form has room for more in front; GNU's has other things there. Put together in `whole`. */
static struct text name_of(const uint8_t *block, char whole[PREFIX_LEN + 1 + NAME_LEN]) {
  struct text name = field(block, NAME, NAME_LEN), prefix = field(block, PREFIX, PREFIX_LEN);
  if (prefix.len == 0 || memcmp(block + MAGIC, "ustar", 6) != 0) return name;
  memcpy(whole, prefix.bytes, prefix.len);
  whole[prefix.len] = '/';
  memcpy(whole + prefix.len + 1, name.bytes, name.len);
  return (struct text){whole, prefix.len + 1 + name.len};
}

/* ---- the extended header ---- */

static size_t decimal(const char *digits, size_t len, size_t max, int64_t *number) {
  size_t count = 0;
  *number = 0;
  for (; count < len && count <= max && digits[count] >= '0' && digits[count] <= '9'; count++)
    *number = *number * 10 + (digits[count] - '0');
  return count;
}

/* SECONDS[.FRACTION] */
static bool time_of(struct text text, struct timespec *time) {
  int64_t seconds, nanos = 0;
  size_t digits = decimal(text.bytes, text.len, SECOND_DIGITS, &seconds);
  if (digits == 0 || digits > SECOND_DIGITS || seconds > SECONDS_MAX) return false;
  if (digits < text.len) {
    if (text.bytes[digits] != '.') return false;
    text = (struct text){text.bytes + digits + 1, text.len - digits - 1};
    digits = decimal(text.bytes, text.len, NANO_DIGITS, &nanos);
    if (digits != text.len || digits > NANO_DIGITS) return false;
    for (; digits < NANO_DIGITS; digits++) nanos *= 10;
  }
  *time = (struct timespec){.tv_sec = seconds, .tv_nsec = nanos};
  return true;
}

static bool is_key(struct text key, const char *name) {
  return key.len == strlen(name) && memcmp(key.bytes, name, key.len) == 0;
}

static bool take_text(struct text value, struct text *text) {
  if (value.len == 0 || memchr(value.bytes, '\0', value.len) != NULL) return false;
  *text = value;
  return true;
}

static bool take_record(struct records *records, struct text key, struct text value) {
  if (is_key(key, "mtime")) return records->has_mtime = time_of(value, &records->mtime);
  if (is_key(key, "path")) return take_text(value, &records->path);
  if (is_key(key, "linkpath")) return take_text(value, &records->target);
  /* Nobody asks for these. */
  return is_key(key, "atime") || is_key(key, "ctime");
}

/* "LENGTH KEY=VALUE\n", again and again; NULs may follow. */
static bool read_records(struct records *records, const char *at, size_t len) {
  while (len > 0 && at[0] != '\0') {
    int64_t whole;
    size_t digits = decimal(at, len, PAX_DIGITS, &whole);
    if (digits == 0 || digits > PAX_DIGITS || at[0] == '0' || (uint64_t)whole > len || (size_t)whole < digits + 3) return false;
    if (at[digits] != ' ' || at[whole - 1] != '\n') return false;
    const char *key = at + digits + 1, *end = at + whole - 1;
    const char *equals = memchr(key, '=', (size_t)(end - key));
    if (equals == NULL) return false;
    if (!take_record(records, (struct text){key, (size_t)(equals - key)}, (struct text){equals + 1, (size_t)(end - equals - 1)}))
      return false;
    at += whole;
    len -= (size_t)whole;
  }
  return true;
}

/* Passes over an extended header, if there is one; *length is where the member's own begins. */
static bool read_extended(struct records *records, const uint8_t *bytes, size_t len, size_t *length) {
  uint64_t size;
  *length = 0;
  if (bytes[TYPE] != 'x') return true;
  if (!octal(bytes, SIZE, NUMBER_LEN, &size) || size > PLAIN_PAX_MAX) return false;
  *length = TAR_BLOCK + ((size_t)size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
  if (len < *length + TAR_BLOCK || !is_header(bytes + *length)) return false;
  return read_records(records, (const char *)bytes + TAR_BLOCK, (size_t)size);
}

/* ---- the member ---- */

static bool read_numbers(struct plain_header *header, const uint8_t *block, const struct records *records) {
  uint64_t mode, uid, gid, mtime;
  if (!octal(block, MODE, ID_LEN, &mode) || !octal(block, UID, ID_LEN, &uid) || !octal(block, GID, ID_LEN, &gid)) return false;
  if (!octal(block, SIZE, NUMBER_LEN, &header->size) || !octal(block, MTIME, NUMBER_LEN, &mtime)) return false;
  if (!is_octal_or_empty(block, MAJOR, ID_LEN) || !is_octal_or_empty(block, MINOR, ID_LEN)) return false;
  header->mode = mode & 07777;
  header->uid = (uid_t)uid;
  header->gid = (gid_t)gid;
  /* Twelve digits say more than the kernel knows of, and eleven do not. */
  if (mtime > (uint64_t)SECONDS_MAX) return false;
  header->mtime = records->has_mtime ? records->mtime : (struct timespec){.tv_sec = (time_t)mtime};
  return true;
}

static bool read_target(struct plain_header *header, struct text target) {
  if (header->size != 0) return false;
  if (header->type == PLAIN_HARDLINK) return plain_path(target, header->target);
  if (target.len == 0 || target.len >= PATH_MAX) return false;
  memcpy(header->target, target.bytes, target.len);
  header->target[target.len] = '\0';
  return true;
}

static bool read_type(struct plain_header *header, uint8_t type) {
  switch (type) {
    case '\0':
    case '0': header->type = PLAIN_FILE; return true;
    case '1': header->type = PLAIN_HARDLINK; return true;
    case '2': header->type = PLAIN_SYMLINK; return true;
    case '5': header->type = PLAIN_FOLDER; return true;
    default: return false;
  }
}

bool plain_header_read(struct plain_header *header, const uint8_t *bytes, size_t len) {
  struct records records = {0};
  char whole[PREFIX_LEN + 1 + NAME_LEN];
  size_t extended;
  if (len < TAR_BLOCK || !is_header(bytes) || !read_extended(&records, bytes, len, &extended)) return false;
  const uint8_t *block = bytes + extended;
  if (!read_type(header, block[TYPE]) || !read_numbers(header, block, &records)) return false;
  struct text name = records.path.bytes != NULL ? records.path : name_of(block, whole);
  bool is_folder = header->type == PLAIN_FOLDER;
  if (is_folder && name.len > 0 && name.bytes[name.len - 1] == '/') name.len--;
  if (!plain_path(name, header->path) || is_marker(header->path)) return false;
  /* Nothing follows a folder's header, whatever it says. */
  if (is_folder) header->size = 0;
  header->length = extended + TAR_BLOCK;
  header->target[0] = '\0';
  if (header->type == PLAIN_FILE || is_folder) return true;
  return read_target(header, records.target.bytes != NULL ? records.target : field(block, LINK, NAME_LEN));
}
