/* Namespaces of the calling thread, which is Node's main thread. */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "sys.h"

/* unshare(flags) */
static napi_value call_unshare(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t flags;
  if (!args_begin(&args, env, info, 1) || !arg_int(&args, "flags", 0, INT_MAX, &flags)) return NULL;
  return result(env, SYS_RETRY(unshare((int)flags)));
}

/* setns(fd, flags) */
static napi_value call_setns(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t flags;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "flags", 0, INT_MAX, &flags))
    return NULL;
  return result(env, SYS_RETRY(setns(fd, (int)flags)));
}

/* sethostname(name): of at most 64 bytes */
static napi_value call_sethostname(napi_env env, napi_callback_info info) {
  struct args args;
  char name[65];
  if (!args_begin(&args, env, info, 1) || !arg_string(&args, "name", name, sizeof(name))) return NULL;
  return result(env, SYS_RETRY(sethostname(name, strlen(name))));
}

napi_status namespaces_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"unshare", call_unshare},
      {"setns", call_setns},
      {"sethostname", call_sethostname},
  };
  return REGISTER(env, exports, table);
}
