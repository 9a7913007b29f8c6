/*
 * Removal of everything in a directory, in steps. Nothing here recurses: directories that are not empty are moved to
 * the top, where the next step finds them, however deep a tree is.
 */
#include "server.h"
#include "../../common/linux-abi.h"
#include <stdio.h>
#include <string.h>

enum { ENTRIES_BYTES = 8192, MAX_TRIES = 1000 };
/* A record of getdents64(2): its length and its name are here. */
enum { RECORD_LENGTH = 16, RECORD_NAME = 19 };

struct emptying {
  int top;
  uint64_t left;  /* entries that this step may still remove or move */
  int64_t failed; /* the first error, or 0 */
};

/* Handles an entry of a directory. Returns false for one that stays. */
typedef bool entry_function(struct emptying *emptying, int dir, const char *name);

/* Returns a record's name, or NULL for bytes that are not one. */
static const char *name_of(const uint8_t *bytes, size_t left, uint16_t *length) {
  if (left <= RECORD_NAME) return NULL;
  memcpy(length, bytes + RECORD_LENGTH, sizeof *length);
  if (*length <= RECORD_NAME || *length > left) return NULL;
  const char *name = (const char *)bytes + RECORD_NAME;
  return memchr(name, 0, *length - RECORD_NAME) == NULL ? NULL : name;
}

static int64_t each_entry(struct emptying *emptying, int dir, entry_function *handle) {
  uint8_t bytes[ENTRIES_BYTES];
  int64_t filled;
  uint16_t length;
  if (lseek(dir, 0, SEEK_SET) < 0) return -errno;
  while ((filled = value_of(syscall(SYS_getdents64, dir, bytes, sizeof bytes))) > 0) {
    for (size_t at = 0; at < (size_t)filled; at += length) {
      const char *name = name_of(bytes + at, (size_t)filled - at, &length);
      if (name == NULL) return -EIO;
      if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
      if (emptying->left == 0) return 0;
      if (handle(emptying, dir, name)) emptying->left--;
    }
  }
  return filled;
}

static void note(struct emptying *emptying, int64_t result) {
  if (result < 0 && emptying->failed == 0) emptying->failed = result;
}

/* Removes an entry. Returns 0, -ENOTEMPTY for a directory that has entries, or another -errno. */
static int64_t remove_entry(int dir, const char *name) {
  int64_t result = value_of(syscall(SYS_unlinkat, dir, name, 0));
  if (result == -EISDIR) result = value_of(syscall(SYS_unlinkat, dir, name, REMOVE_DIRECTORY));
  if (result == -EEXIST) return -ENOTEMPTY;
  return result == -ENOENT ? 0 : result;
}

static bool remove_or_move(struct emptying *emptying, int dir, const char *name) {
  static unsigned moved;
  char to[32];
  int64_t result = remove_entry(dir, name);
  if (result == -ENOTEMPTY) result = -EEXIST;
  for (unsigned tries = 0; result == -EEXIST && tries < MAX_TRIES; tries++) {
    snprintf(to, sizeof to, ".removing-%u", moved++);
    result = value_of(syscall(SYS_renameat2, dir, name, emptying->top, to, RENAME_WITHOUT_REPLACING));
  }
  note(emptying, result);
  return result == 0;
}

static bool remove_at_top(struct emptying *emptying, int dir, const char *name) {
  const struct abi_open_how how = {
      .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
      .resolve = ABI_RESOLVE_BENEATH | ABI_RESOLVE_NO_XDEV,
  };
  int64_t result = remove_entry(dir, name);
  if (result == -ENOTEMPTY) {
    int64_t nested = value_of(abi_openat2_retried(dir, name, &how));
    result = nested < 0 ? nested : each_entry(emptying, (int)nested, remove_or_move);
    if (nested >= 0) close((int)nested);
    /* Without steps it is left for later. */
    if (result == 0 && emptying->left == 0) return false;
    if (result == 0) result = remove_entry(dir, name);
  }
  note(emptying, result);
  return result == 0;
}

int64_t file_empty(struct server *server, const struct request *request) {
  const uint64_t most = request->number[0];
  if (most > INT32_MAX) return -EINVAL;
  struct emptying emptying = {.top = fd_of(server, request->handle), .left = most};
  int64_t result = each_entry(&emptying, emptying.top, remove_at_top);
  if (emptying.left < most) return (int64_t)(most - emptying.left);
  return result < 0 ? result : emptying.failed;
}
