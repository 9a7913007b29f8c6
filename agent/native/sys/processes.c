/* Processes: pidfds, a few settings of prctl, and the agent's own system call filter. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../common/linux-abi.h"
#include "sys.h"

/* pidfdOpen(pid) */
static napi_value call_pidfd_open(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t pid;
  if (!args_begin(&args, env, info, 1) || !arg_int(&args, "pid", 1, INT_MAX, &pid)) return NULL;
  return result(env, SYS_RETRY(abi_pidfd_open((pid_t)pid)));
}

/* pidfdSendSignal(pidfd, signal): signal 0 only checks that the process exists */
static napi_value call_pidfd_send_signal(napi_env env, napi_callback_info info) {
  struct args args;
  int pidfd;
  int64_t signal;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "pidfd", &pidfd) || !arg_int(&args, "signal", 0, 64, &signal))
    return NULL;
  return result(env, SYS_RETRY(syscall(SYS_pidfd_send_signal, pidfd, (int)signal, NULL, 0)));
}

/* setDumpable(0 | 1) */
static napi_value call_set_dumpable(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t on;
  if (!args_begin(&args, env, info, 1) || !arg_int(&args, "on", 0, 1, &on)) return NULL;
  return result(env, SYS_RETRY(prctl(PR_SET_DUMPABLE, (unsigned long)on, 0UL, 0UL, 0UL)));
}

/*
 * refuseCalls(filter): sets no_new_privs and adds a seccomp filter (struct sock_filter, 8 bytes each) to all threads,
 * for good. Returns the id of a thread that cannot have it, if any; then no filter is added.
 */
static napi_value call_refuse_calls(napi_env env, napi_callback_info info) {
  struct args args;
  uint8_t *code;
  size_t length;
  struct sock_filter filter[256];
  if (!args_begin(&args, env, info, 1) || !arg_bytes(&args, "filter", &code, &length)) return NULL;
  if (length == 0 || length > sizeof(filter) || length % sizeof(filter[0]) != 0) return result(env, -EINVAL);
  memcpy(filter, code, length);
  struct sock_fprog program = {.len = (unsigned short)(length / sizeof(filter[0])), .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) < 0) return result(env, -errno);
  return result(env, SYS_RETRY(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program)));
}

napi_status processes_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"pidfdOpen", call_pidfd_open},
      {"pidfdSendSignal", call_pidfd_send_signal},
      {"setDumpable", call_set_dumpable},
      {"refuseCalls", call_refuse_calls},
  };
  return REGISTER(env, exports, table);
}
