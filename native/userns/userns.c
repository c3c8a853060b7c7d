/*
 * tsbuild-userns PROGRAM ARG…: executes the program as root of a user namespace and a mount namespace of its own, so that a
 * normal user's tsbuild owns files of any id, mounts overlays and starts sandboxes. Node starts once: this runs before it.
 * So does root without CAP_SYS_ADMIN, as in an ordinary container: its namespace knows the same ids by the same numbers.
 *
 * The program runs in any case. It hears in TSBUILD_USERNS what it got: "range", "single" (no subordinate ids: only root is
 * known inside) or "none", then the user's id outside and, after a blank each, the call that failed and why.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_RANGES = 32, NUMBER_BYTES = 24, LINE_BYTES = 1024, REASON_BYTES = 256, MAP_BYTES = 4096 };

struct range {
  unsigned long first, count;
};

/* Subordinate ids of the user, in the order of the file. */
struct ranges {
  struct range of[MAX_RANGES];
  size_t count;
};

static char reason[REASON_BYTES];

/* The first failure is the one worth telling. */
static int fail(const char *what, const char *why) {
  if (reason[0] == '\0') snprintf(reason, sizeof reason, "%s: %s", what, why);
  return -1;
}

static int fail_errno(const char *what) { return fail(what, strerror(errno)); }

/* passwd(5) by hand: a static program has no name service. Where the file lacks the user, USER is believed: newuidmap checks. */
static void user_name(uid_t uid, char *name, size_t size) {
  char line[LINE_BYTES];
  const char *from_env = getenv("USER");
  snprintf(name, size, "%s", from_env == NULL ? "" : from_env);
  FILE *file = fopen("/etc/passwd", "re");
  if (file == NULL) return;
  while (fgets(line, sizeof line, file) != NULL) {
    char *rest = line, *found = strsep(&rest, ":");
    strsep(&rest, ":");
    char *id = strsep(&rest, ":");
    if (id == NULL || *id == '\0' || strtoul(id, NULL, 10) != uid) continue;
    snprintf(name, size, "%s", found);
    break;
  }
  fclose(file);
}

/* subuid(5) and subgid(5): `name-or-uid:first:count`. */
static void read_ranges(const char *path, uid_t uid, const char *name, struct ranges *ranges) {
  char line[LINE_BYTES], number[NUMBER_BYTES];
  snprintf(number, sizeof number, "%u", uid);
  FILE *file = fopen(path, "re");
  if (file == NULL) return;
  while (fgets(line, sizeof line, file) != NULL && ranges->count < MAX_RANGES) {
    char *rest = line, *owner = strsep(&rest, ":"), *first = strsep(&rest, ":"), *count = strsep(&rest, ":");
    if (count == NULL || *owner == '\0' || (strcmp(owner, name) != 0 && strcmp(owner, number) != 0)) continue;
    struct range range = {strtoul(first, NULL, 10), strtoul(count, NULL, 10)};
    if (range.count > 0) ranges->of[ranges->count++] = range;
  }
  fclose(file);
}

/* `newuidmap PID 0 OWN 1 1 FIRST COUNT …`: it has the right to map what /etc/subuid grants, and checks it. */
static _Noreturn void run_mapper(const char *mapper, pid_t target, unsigned own, const struct ranges *ranges) {
  char numbers[4 + 3 * MAX_RANGES][NUMBER_BYTES], *args[6 + 3 * MAX_RANGES];
  size_t count = 0;
  unsigned long next = 1;
  snprintf(numbers[count++], NUMBER_BYTES, "%d", target);
  snprintf(numbers[count++], NUMBER_BYTES, "0");
  snprintf(numbers[count++], NUMBER_BYTES, "%u", own);
  snprintf(numbers[count++], NUMBER_BYTES, "1");
  for (size_t i = 0; i < ranges->count; i++) {
    snprintf(numbers[count++], NUMBER_BYTES, "%lu", next);
    snprintf(numbers[count++], NUMBER_BYTES, "%lu", ranges->of[i].first);
    snprintf(numbers[count++], NUMBER_BYTES, "%lu", ranges->of[i].count);
    next += ranges->of[i].count;
  }
  args[0] = (char *)mapper;
  for (size_t i = 0; i < count; i++) args[i + 1] = numbers[i];
  args[count + 1] = NULL;
  /* What it says goes into TSBUILD_USERNS as a whole, not between the lines of a build. */
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (null >= 0) dup2(null, 2);
  execvp(mapper, args);
  _exit(127);
}

/* Starts a mapper that waits until the namespace is there: it must itself stay outside, where its right to map is. */
static pid_t start_mapper(const char *mapper, unsigned own, const struct ranges *ranges, const int go[2]) {
  pid_t target = getpid(), pid = fork();
  if (pid != 0) return pid;
  char byte;
  close(go[1]);
  /* End of file without a byte: the namespace could not be made. */
  if (read(go[0], &byte, 1) != 1) _exit(0);
  run_mapper(mapper, target, own, ranges);
}

static int wait_mapper(const char *mapper, pid_t pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return fail(mapper, "not installed");
  return fail(mapper, "refused");
}

static int unshare_namespaces(void) {
  return unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ? fail_errno("unshare") : 0;
}

static int write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail_errno(path);
  ssize_t written = write(fd, text, strlen(text));
  if (written < 0) fail_errno(path);
  close(fd);
  return written < 0 ? -1 : 0;
}

/* Anybody may map the own id, if setgroups is given up (user_namespaces(7)). */
static int map_own(unsigned uid, unsigned gid) {
  char map[64];
  if (write_file("/proc/self/setgroups", "deny") < 0) return -1;
  snprintf(map, sizeof map, "0 %u 1", uid);
  if (write_file("/proc/self/uid_map", map) < 0) return -1;
  snprintf(map, sizeof map, "0 %u 1", gid);
  return write_file("/proc/self/gid_map", map);
}

/* Mounts of the host still appear inside, none of ours outside. */
static int enter(bool range) {
  if (setresgid(0, 0, 0) < 0) return fail_errno("setresgid");
  if (setresuid(0, 0, 0) < 0) return fail_errno("setresuid");
  if (range && setgroups(0, NULL) < 0) return fail_errno("setgroups");
  return mount("", "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? fail_errno("mount") : 0;
}

static const char *map_range(unsigned uid, unsigned gid, const struct ranges *uids, const struct ranges *gids) {
  int go[2];
  if (pipe2(go, O_CLOEXEC) < 0) return fail_errno("pipe2"), "none";
  pid_t first = start_mapper("newuidmap", uid, uids, go), second = start_mapper("newgidmap", gid, gids, go);
  bool made = unshare_namespaces() == 0;
  if (made && write(go[1], "go", 2) != 2) fail_errno("write");
  close(go[1]);
  close(go[0]);
  bool mapped = wait_mapper("newuidmap", first) == 0;
  mapped = wait_mapper("newgidmap", second) == 0 && mapped;
  if (!made) return "none";
  if (mapped) return enter(true) == 0 ? "range" : "none";
  return map_own(uid, gid) == 0 && enter(false) == 0 ? "single" : "none";
}

static const char *make_namespace(unsigned uid, unsigned gid) {
  struct ranges uids = {.count = 0}, gids = {.count = 0};
  char name[LINE_BYTES];
  user_name(uid, name, sizeof name);
  read_ranges("/etc/subuid", uid, name, &uids);
  read_ranges("/etc/subgid", uid, name, &gids);
  if (uids.count > 0 && gids.count > 0) return map_range(uid, gid, &uids, &gids);
  fail(uids.count == 0 ? "/etc/subuid" : "/etc/subgid", "no range for this user");
  if (unshare_namespaces() < 0) return "none";
  return map_own(uid, gid) == 0 && enter(false) == 0 ? "single" : "none";
}

static bool may_administrate(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2] = {0};
  /* Unknown: then nothing is changed. */
  if (syscall(SYS_capget, &header, data) < 0) return true;
  return (data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective & CAP_TO_MASK(CAP_SYS_ADMIN)) != 0;
}

/*
 * The ids that this namespace knows, each by its own number. Always in two rows or more: whoever reads a map of one whole row
 * believes to be in the first namespace.
 */
static int same_ids(const char *own_map, char *map, size_t size) {
  unsigned long first, outside, count;
  size_t length = 0;
  FILE *file = fopen(own_map, "re");
  if (file == NULL) return fail_errno(own_map);
  while (fscanf(file, "%lu %lu %lu", &first, &outside, &count) == 3 && length < size) {
    if (first == 0 && count > 1) {
      length += (size_t)snprintf(map + length, size - length, "0 0 1\n");
      first++, count--;
    }
    if (length < size) length += (size_t)snprintf(map + length, size - length, "%lu %lu %lu\n", first, first, count);
  }
  fclose(file);
  return length < size ? 0 : fail(own_map, "too many rows");
}

static int write_same(pid_t target, const char *name) {
  char path[64], own[64], map[MAP_BYTES] = "";
  snprintf(own, sizeof own, "/proc/self/%s", name);
  snprintf(path, sizeof path, "/proc/%d/%s", target, name);
  return same_ids(own, map, sizeof map) == 0 ? write_file(path, map) : -1;
}

/* Like newuidmap, the writer stays outside, where root has CAP_SETUID, CAP_SETGID and CAP_SETFCAP. */
static int map_same(void) {
  int go[2], status;
  char byte;
  if (pipe2(go, O_CLOEXEC) < 0) return fail_errno("pipe2");
  pid_t target = getpid(), writer = fork();
  if (writer < 0) return fail_errno("fork");
  if (writer == 0) {
    close(go[1]);
    if (read(go[0], &byte, 1) != 1) _exit(0);
    _exit(write_same(target, "uid_map") == 0 && write_same(target, "gid_map") == 0 ? 0 : 1);
  }
  int made = unshare_namespaces();
  if (made == 0 && write(go[1], "g", 1) != 1) made = fail_errno("write");
  close(go[0]);
  close(go[1]);
  while (waitpid(writer, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid");
  if (made < 0) return -1;
  return status == 0 ? enter(true) : fail("/proc/self/uid_map", "refused");
}

/* Whoever has unshared cannot go back, and without ids is worse off than before: so a child tries first, and tells why not. */
static int try_same(void) {
  int said[2], status;
  if (pipe2(said, O_CLOEXEC) < 0) return fail_errno("pipe2");
  pid_t child = fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) {
    int result = map_same();
    _exit(result == 0 || write(said[1], reason, strlen(reason)) < 0 ? result != 0 : 1);
  }
  close(said[1]);
  char why[REASON_BYTES] = "";
  ssize_t size = read(said[0], why, sizeof why - 1);
  close(said[0]);
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid");
  if (status == 0) return 0;
  snprintf(reason, sizeof reason, "%s", size > 0 ? why : "a user namespace: refused");
  return -1;
}

static const char *get_namespace(unsigned uid, unsigned gid) {
  if (uid != 0) return make_namespace(uid, gid);
  return try_same() == 0 && map_same() == 0 ? "range" : "none";
}

int main(int argc, char **argv) {
  unsigned uid = geteuid(), gid = getegid();
  char answer[REASON_BYTES + 64];
  if (argc < 2) {
    fputs("usage: tsbuild-userns PROGRAM ARG…\n", stderr);
    return 2;
  }
  if (uid != 0 || !may_administrate()) {
    const char *got = get_namespace(uid, gid);
    snprintf(answer, sizeof answer, "%s %u %s", got, uid, reason);
    setenv("TSBUILD_USERNS", answer, 1);
  }
  execvp(argv[1], argv + 1);
  fprintf(stderr, "tsbuild-userns: %s: %s\n", argv[1], strerror(errno));
  return 127;
}
