/*
 * The system calls that Node lacks, as an N-API addon. Mechanism only: every function checks the type and range of its
 * arguments (a wrong one throws TypeError), makes one call, and returns a number: >= 0, or -errno.
 */
#ifndef GUESTD_SYS_H
#define GUESTD_SYS_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef NAPI_VERSION
#define NAPI_VERSION 9
#endif
#include <node_api.h>

/* Evaluates a system call again while a signal interrupts it; the value is its result or -errno. */
#define SYS_RETRY(call)                                                                                                \
  __extension__({                                                                                                      \
    long sys_result_;                                                                                                  \
    do {                                                                                                               \
      sys_result_ = (long)(call);                                                                                      \
    } while (sys_result_ < 0 && errno == EINTR);                                                                       \
    sys_result_ < 0 ? (long)-errno : sys_result_;                                                                      \
  })

#define SYS_MAX_ARGS 8
#define SYS_MAX_FDS 64

/* The arguments of one call, taken one by one. After a failure an exception is pending and all later takes fail. */
struct args {
  napi_env env;
  napi_value self;
  napi_value value[SYS_MAX_ARGS];
  size_t count;
  size_t next;
};

/* Exactly `count` arguments were given. */
bool args_begin(struct args *args, napi_env env, napi_callback_info info, size_t count);
/* An integer in [low, high]. */
bool arg_int(struct args *args, const char *name, int64_t low, int64_t high, int64_t *out);
/* A descriptor number, 0 … INT_MAX. */
bool arg_fd(struct args *args, const char *name, int *out);
/* UTF-8 without NUL bytes that fits `size` with its terminator. */
bool arg_string(struct args *args, const char *name, char *out, size_t size);
/* The memory of a Uint8Array; valid until the call returns to JavaScript. */
bool arg_bytes(struct args *args, const char *name, uint8_t **data, size_t *length);
/* The memory of an Int32Array of at least `least` elements. */
bool arg_ints(struct args *args, const char *name, size_t least, int32_t **data);
/* An array of at most SYS_MAX_FDS descriptors. */
bool arg_fds(struct args *args, const char *name, int out[SYS_MAX_FDS], size_t *count);
/* A function. */
bool arg_function(struct args *args, const char *name, napi_value *out);

/* As arg_string, for a value that stands elsewhere than in the argument list. */
bool value_string(napi_env env, napi_value value, const char *name, char *out, size_t size);
/* Throws `TypeError: <name> must be <expected>`; returns false. */
bool type_error(napi_env env, const char *name, const char *expected);
/* A number for JavaScript. */
napi_value result(napi_env env, int64_t value);

/* A blocking call on libuv's thread pool. Embed as the first member of a malloc'ed struct; freed when done. */
struct work {
  napi_async_work handle;
  napi_deferred deferred;
  /* Runs on another thread: no napi calls. Returns >= 0 or -errno. */
  int64_t (*run)(struct work *work);
  int64_t result;
};

/* Takes `work`, queues it and returns a promise of its result. */
napi_value work_start(napi_env env, struct work *work, int64_t (*run)(struct work *));

/* close(2) that keeps errno. */
void close_quietly(int fd);
/* openat2(2), always O_CLOEXEC; fd or -errno. */
int64_t open_at2(int dir, const char *path, uint64_t flags, uint64_t resolve);

/* Each topic adds its functions to the module's exports. */
napi_status files_register(napi_env env, napi_value exports);
napi_status sockets_register(napi_env env, napi_value exports);
napi_status messages_register(napi_env env, napi_value exports);
napi_status mounts_register(napi_env env, napi_value exports);
napi_status terminals_register(napi_env env, napi_value exports);
napi_status namespaces_register(napi_env env, napi_value exports);
napi_status processes_register(napi_env env, napi_value exports);
napi_status bpf_register(napi_env env, napi_value exports);
napi_status guest_register(napi_env env, napi_value exports);
napi_status mapper_register(napi_env env, napi_value exports);
napi_status poll_register(napi_env env, napi_value exports);
napi_status uevents_register(napi_env env, napi_value exports);
napi_status inside_register(napi_env env, napi_value exports);
napi_status counted_register(napi_env env, napi_value exports);
napi_status memory_register(napi_env env, napi_value exports);

struct function {
  const char *name;
  napi_callback call;
};

napi_status register_functions(napi_env env, napi_value exports, const struct function *table, size_t count);
#define REGISTER(env, exports, table) register_functions(env, exports, table, sizeof(table) / sizeof((table)[0]))

#endif
