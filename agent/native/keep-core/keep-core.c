/*
 * Keeps one core dump. The kernel runs it by core_pattern, as root in init's namespaces, with the core on stdin:
 *
 *   keep-core DIRECTORY LIMIT SECONDS PLACES PID FACT...
 *
 * The core goes to an unnamed file in DIRECTORY, behind a header of a page; blocks of zeros become holes. At the end, at
 * LIMIT bytes, after SECONDS or without memory the file gets the first free name of 0 to PLACES - 1. Nothing is kept if
 * there is none. The process that dies chooses the core and some facts, such as its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 4096, BLOCK = 4096, CHUNK = 16 * BLOCK, FACTS = 16, FACT = 64, OF_AGENT = 2048 };
enum { MOST_PLACES = 256, MOST_SECONDS = 3600, CAP_VERSION = 0x20080522 };

/* Why a core is not whole. Known to agent/guest/core-dumps/core-file.ts, as the header is. */
enum cut { WHOLE, AT_LIMIT, NO_MEMORY, TOO_LATE, UNREADABLE };

/* The first half of the first page; the agent writes the second. All numbers are little endian, as both machines are. */
struct header {
  char magic[16];
  uint64_t size; /* of the core */
  uint32_t cut;
  uint32_t facts;  /* NUL-terminated texts in `text`; the cgroups of the process follow as another one */
  char text[OF_AGENT - 32];
};

_Static_assert(sizeof(struct header) == OF_AGENT, "the header has no gaps");

struct arguments {
  const char *directory;
  uint64_t limit, seconds, places;
};

static bool number(const char *text, uint64_t most, uint64_t *out) {
  char *end;
  if (*text < '0' || *text > '9') return false;
  errno = 0;
  *out = strtoull(text, &end, 10);
  return errno == 0 && *end == '\0' && *out > 0 && *out <= most;
}

static bool read_arguments(int count, char **words, struct arguments *out) {
  if (count < 6) return false;
  out->directory = words[1];
  return number(words[2], UINT64_C(1) << 40, &out->limit) && number(words[3], MOST_SECONDS, &out->seconds) &&
         number(words[4], MOST_PLACES, &out->places);
}

/* Reads the process's cgroups, which it can't leave while it is dumped. The text stays empty if they are unknown. */
static void read_cgroups(const char *pid, char *into, size_t room) {
  char path[64];
  uint64_t value;
  size_t length = 0;
  if (!number(pid, INT32_MAX, &value)) return;
  snprintf(path, sizeof path, "/proc/%llu/cgroup", (unsigned long long)value);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  while (length < room - 1) {
    ssize_t got = read(fd, into + length, room - 1 - length);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    length += (size_t)got;
  }
  into[length < room - 1 ? length : 0] = '\0'; /* a cut path would be another one */
  close(fd);
}

static void describe(struct header *header, char **facts, int count) {
  size_t at = 0;
  memcpy(header->magic, "guestd core 1\n", 14);
  for (; header->facts < FACTS && (int)header->facts < count; header->facts++) {
    size_t length = strnlen(facts[header->facts], FACT - 1);
    memcpy(header->text + at, facts[header->facts], length);
    at += length + 1;
  }
  read_cgroups(facts[0], header->text + at, sizeof header->text - at);
}

/* Drops all capabilities: from here on only root's own files are needed. */
static int drop_capabilities(void) {
  struct {
    uint32_t version;
    int pid;
  } head = {.version = CAP_VERSION};
  struct {
    uint32_t effective, permitted, inheritable;
  } halves[2] = {{0}};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -1;
  return syscall(SYS_capset, &head, halves) < 0 ? -1 : 0;
}

static bool has_free_place(int directory, uint64_t places) {
  char name[8];
  for (uint64_t place = 0; place < places; place++) {
    snprintf(name, sizeof name, "%u", (unsigned)place);
    if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) return true;
  }
  return false;
}

/* Gives the file a name. Of several handlers that try the same one, one succeeds. */
static bool take_place(int directory, int fd, uint64_t places) {
  char own[32], name[8];
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  for (uint64_t place = 0; place < places; place++) {
    snprintf(name, sizeof name, "%u", (unsigned)place);
    if (linkat(AT_FDCWD, own, directory, name, AT_SYMLINK_FOLLOW) == 0) return true;
    if (errno != EEXIST) return false;
  }
  return false;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Fills `into` from stdin. Returns the bytes read; fewer than `wanted` only together with a reason in `cut`, or at the end. */
static size_t fill(char *into, size_t wanted, int64_t deadline, enum cut *cut) {
  size_t length = 0;
  while (length < wanted) {
    int64_t left = deadline - now_ms();
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    int polled = left <= 0 ? 0 : poll(&ready, 1, (int)left);
    if (polled < 0 && errno == EINTR) continue;
    if (polled == 0) {
      *cut = TOO_LATE;
      break;
    }
    ssize_t got = polled < 0 ? -1 : read(STDIN_FILENO, into + length, wanted - length);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0) *cut = UNREADABLE;
    if (got <= 0) break;
    length += (size_t)got;
  }
  return length;
}

static bool is_zero(const char *block, size_t length) {
  static const char zeros[BLOCK];
  return memcmp(block, zeros, length) == 0;
}

static bool write_at(int fd, const void *from, size_t length, off_t at) {
  for (size_t done = 0; done < length;) {
    ssize_t put = pwrite(fd, (const char *)from + done, length - done, at + (off_t)done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    done += (size_t)put;
  }
  return true;
}

/* Copies the core behind the header, and counts it. */
static void copy(int fd, const struct arguments *arguments, struct header *header) {
  static char chunk[CHUNK];
  enum cut cut = WHOLE;
  const int64_t deadline = now_ms() + (int64_t)arguments->seconds * 1000;
  while (cut == WHOLE) {
    uint64_t left = arguments->limit - header->size;
    size_t wanted = left + 1 < CHUNK ? (size_t)left + 1 : CHUNK; /* one more shows that the core is longer */
    size_t length = fill(chunk, wanted, deadline, &cut);
    bool is_last = length < wanted;
    if (length > left) {
      cut = AT_LIMIT;
      length = (size_t)left;
    }
    for (size_t at = 0; at < length; at += BLOCK) {
      size_t part = length - at < BLOCK ? length - at : BLOCK;
      if (!is_zero(chunk + at, part) && !write_at(fd, chunk + at, part, HEADER + (off_t)header->size)) {
        cut = NO_MEMORY;
        break;
      }
      header->size += part;
    }
    if (is_last) break;
  }
  header->cut = cut;
}

int main(int argc, char **argv) {
  static struct header header;
  struct arguments arguments;
  if (!read_arguments(argc, argv, &arguments)) return 2;
  int directory = open(arguments.directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (directory < 0 || !has_free_place(directory, arguments.places)) return 1;
  if (nice(19) < 0) errno = 0; /* a flood of dying processes yields to all others */
  describe(&header, argv + 5, argc - 5);
  if (drop_capabilities() < 0) return 1;
  int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  /* The header takes its page first, so that it can be completed without memory. */
  if (fd < 0 || !write_at(fd, &header, sizeof header, 0)) return 1;
  copy(fd, &arguments, &header);
  if (header.size == 0 || ftruncate(fd, HEADER + (off_t)header.size) < 0) return 1;
  if (!write_at(fd, &header, sizeof header, 0)) return 1;
  return take_place(directory, fd, arguments.places) ? 0 : 1;
}
