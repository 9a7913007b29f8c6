/* Files of containers. All steps run on the thread pool, since each may block on the file system's server. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys.h"

#define TYPES_MAX 32
#define STEP (64 * 1024)

struct inside_work {
  struct work work;
  int dir; /* a copy, owned */
  char path[PATH_MAX];
  uint64_t flags, resolve;
  int32_t types[TYPES_MAX];
  size_t type_count;
  int64_t limit;
  bool tail;
};

static bool has_type(const struct inside_work *w, int fd) {
  struct statfs fs;
  if (w->type_count == 0) return true;
  if (fstatfs(fd, &fs) < 0) return false;
  for (size_t i = 0; i < w->type_count; i++)
    if ((uint32_t)w->types[i] == (uint32_t)fs.f_type) return true;
  return false;
}

/* Opens `path`; if it is empty, copies `dir`. */
static int64_t open_inside(const struct inside_work *w, uint64_t flags) {
  int64_t fd =
      w->path[0] == '\0' ? SYS_RETRY(fcntl(w->dir, F_DUPFD_CLOEXEC, 3)) : open_at2(w->dir, w->path, flags, w->resolve);
  if (fd < 0 || has_type(w, (int)fd)) return fd;
  close((int)fd);
  return -EOPNOTSUPP;
}

static int64_t run_open(struct work *work) {
  struct inside_work *w = (struct inside_work *)work;
  int64_t fd = open_inside(w, w->flags);
  close(w->dir);
  return fd;
}

/* Copies at most `most` bytes, even if the file grows. Returns how many. */
static int64_t copy_bounded(int from, int to, off_t start, int64_t most) {
  char buffer[STEP];
  int64_t done = 0;
  while (done < most) {
    int64_t room = most - done;
    long got = SYS_RETRY(pread(from, buffer, room < STEP ? (size_t)room : STEP, start + done));
    if (got < 0) return got;
    if (got == 0) return done;
    int64_t written = write_at(to, buffer, (size_t)got, done);
    if (written < 0) return written;
    done += got;
  }
  return done;
}

static int64_t copy_file(const struct inside_work *w, int found) {
  char path[32];
  struct stat stat;
  if (fstat(found, &stat) < 0) return -errno;
  if (!S_ISREG(stat.st_mode)) return -EINVAL;
  snprintf(path, sizeof path, "/proc/self/fd/%d", found);
  /* O_NONBLOCK: do not wait for a lease that a process of the container holds. */
  int64_t from = SYS_RETRY(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (from < 0) return from;
  int64_t to = SYS_RETRY(memfd_create("copy", MFD_CLOEXEC));
  if (to < 0) goto out;
  off_t start = w->tail && stat.st_size > w->limit ? stat.st_size - w->limit : 0;
  /* One byte beyond the limit shows that the file is too long; a tail may not be, as the file can grow meanwhile. */
  int64_t copied = copy_bounded((int)from, (int)to, start, w->tail ? w->limit : w->limit + 1);
  if (copied > w->limit) copied = -EFBIG;
  if (copied < 0) {
    close((int)to);
    to = copied;
  }
out:
  close((int)from);
  return to;
}

static int64_t run_copy(struct work *work) {
  struct inside_work *w = (struct inside_work *)work;
  int64_t found = open_inside(w, O_PATH);
  int64_t result = found;
  if (found >= 0) {
    result = copy_file(w, (int)found);
    close((int)found);
  }
  close(w->dir);
  return result;
}

/* Reads an Int32Array of file system types, preceded by their number. */
static bool take_types(struct args *args, struct inside_work *w) {
  int32_t *types;
  if (!arg_ints(args, "types", TYPES_MAX + 1, &types)) return false;
  if (types[0] < 0 || types[0] > TYPES_MAX) return type_error(args->env, "types", "counted");
  w->type_count = (size_t)types[0];
  memcpy(w->types, types + 1, w->type_count * sizeof(int32_t));
  return true;
}

/* Starts the work on a copy of `dir`, as the caller may close its own meanwhile. */
static napi_value start(napi_env env, struct inside_work *w, int64_t (*run)(struct work *)) {
  long dir = SYS_RETRY(fcntl(w->dir, F_DUPFD_CLOEXEC, 3));
  napi_deferred deferred;
  napi_value promise;
  if (dir >= 0) {
    w->dir = (int)dir;
    promise = work_start(env, &w->work, run);
    if (promise == NULL) close((int)dir);
    return promise;
  }
  free(w);
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return NULL;
  napi_resolve_deferred(env, deferred, result(env, dir));
  return promise;
}

/*
 * openInside(dir, path, flags, resolve, types): promise of a descriptor; the file system must be of one of the types,
 * if any
 */
static napi_value call_open_inside(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t resolve;
  struct inside_work *w = work_new(env, sizeof(*w));
  if (w == NULL) return NULL;
  if (!args_begin(&args, env, info, 5) || !arg_fd(&args, "dir", &w->dir) ||
      !arg_string(&args, "path", w->path, sizeof(w->path)) || !arg_open_flags(&args, "flags", &w->flags) ||
      !arg_int(&args, "resolve", 0, 0xff, &resolve) || !take_types(&args, w)) {
    free(w);
    return NULL;
  }
  w->resolve = (uint64_t)resolve;
  return start(env, w, run_open);
}

/*
 * copyInside(dir, path, resolve, types, limit, tail): promise of a memory file with a regular file's content, or its
 * tail
 */
static napi_value call_copy_inside(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t resolve, tail;
  struct inside_work *w = work_new(env, sizeof(*w));
  if (w == NULL) return NULL;
  if (!args_begin(&args, env, info, 6) || !arg_fd(&args, "dir", &w->dir) ||
      !arg_string(&args, "path", w->path, sizeof(w->path)) || !arg_int(&args, "resolve", 0, 0xff, &resolve) ||
      !take_types(&args, w) || !arg_int(&args, "limit", 0, INT_MAX, &w->limit) ||
      !arg_int(&args, "tail", 0, 1, &tail)) {
    free(w);
    return NULL;
  }
  w->resolve = (uint64_t)resolve;
  w->tail = tail == 1;
  return start(env, w, run_copy);
}

napi_status inside_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"openInside", call_open_inside}, {"copyInside", call_copy_inside}};
  return REGISTER(env, exports, table);
}
