/* Opens files on the thread pool, since each step may block on the file system's server. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys.h"

struct inside_work {
  struct work work;
  int dir; /* a copy, owned */
  char path[PATH_MAX];
  uint64_t flags, resolve;
};

/* Opens `path`; if it is empty, copies `dir`. */
static int64_t run_open(struct work *work) {
  struct inside_work *w = (struct inside_work *)work;
  int64_t fd = w->path[0] == '\0' ? SYS_RETRY(fcntl(w->dir, F_DUPFD_CLOEXEC, 3))
                                  : open_at2(w->dir, w->path, w->flags, w->resolve);
  close(w->dir);
  return fd;
}

/* Starts the work on a copy of `dir`, as the caller may close its own meanwhile. */
static napi_value start(napi_env env, struct inside_work *w) {
  long dir = SYS_RETRY(fcntl(w->dir, F_DUPFD_CLOEXEC, 3));
  napi_deferred deferred;
  napi_value promise;
  if (dir >= 0) {
    w->dir = (int)dir;
    promise = work_start(env, &w->work, run_open);
    if (promise == NULL) close((int)dir);
    return promise;
  }
  free(w);
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return NULL;
  napi_resolve_deferred(env, deferred, result(env, dir));
  return promise;
}

/* openInside(dir, path, flags, resolve): promise of a descriptor */
static napi_value call_open_inside(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t resolve;
  struct inside_work *w = work_new(env, sizeof(*w));
  if (w == NULL) return NULL;
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "dir", &w->dir) ||
      !arg_string(&args, "path", w->path, sizeof(w->path)) || !arg_open_flags(&args, "flags", &w->flags) ||
      !arg_int(&args, "resolve", 0, 0xff, &resolve)) {
    free(w);
    return NULL;
  }
  w->resolve = (uint64_t)resolve;
  return start(env, w);
}

napi_status inside_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"openInside", call_open_inside}};
  return REGISTER(env, exports, table);
}
