/*
 * The system calls that Node lacks, as an N-API addon. It has no policy: unless its comment says otherwise, a function
 * checks the type and range of its arguments (throws TypeError), makes one system call and returns its result or
 * -errno.
 */
#pragma once

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

#include "../common/rights.h"

/* Repeats a system call while signals interrupt it. The value is its result or -errno. */
#define SYS_RETRY(call)                                                                                                \
  __extension__({                                                                                                      \
    long sys_result_;                                                                                                  \
    do {                                                                                                               \
      sys_result_ = (long)(call);                                                                                      \
    } while (sys_result_ < 0 && errno == EINTR);                                                                       \
    sys_result_ < 0 ? (long)-errno : sys_result_;                                                                      \
  })

#define SYS_MAX_ARGS 8

/* The arguments of one call, which the arg_ functions read in order. A function that fails has thrown a TypeError. */
struct args {
  napi_env env;
  napi_value self;
  napi_value value[SYS_MAX_ARGS];
  size_t count;
  size_t next;
};

/* Fails unless there are exactly `count` arguments. */
bool args_begin(struct args *args, napi_env env, napi_callback_info info, size_t count);
/* Reads an integer in [low, high]. */
bool arg_int(struct args *args, const char *name, int64_t low, int64_t high, int64_t *out);
/* Reads a descriptor number, 0 … INT_MAX. */
bool arg_fd(struct args *args, const char *name, int *out);
/* Reads a string as UTF-8, without NUL bytes, that fits into `size` bytes with its terminator. */
bool arg_string(struct args *args, const char *name, char *out, size_t size);
/* Borrows the memory of a Uint8Array, until the call returns to JavaScript. */
bool arg_bytes(struct args *args, const char *name, uint8_t **data, size_t *length);
/* Borrows the memory of an Int32Array of at least `least` elements. */
bool arg_ints(struct args *args, const char *name, size_t least, int32_t **data);
/* Borrows the memory of a Float64Array of at least `least` elements. */
bool arg_doubles(struct args *args, const char *name, size_t least, double **data);
/* Reads an array of at most RIGHTS_MAX descriptors. */
bool arg_fds(struct args *args, const char *name, int out[RIGHTS_MAX], size_t *count);
/* Reads flags for open; fails for those that create a file. */
bool arg_open_flags(struct args *args, const char *name, uint64_t *out);
bool arg_function(struct args *args, const char *name, napi_value *out);

/* Like arg_string, for a value that is not an argument itself. */
bool value_string(napi_env env, napi_value value, const char *name, char *out, size_t size);
/* Throws `TypeError: <name> must be <expected>`; returns false. */
bool type_error(napi_env env, const char *name, const char *expected);
/* Returns a JavaScript number. */
napi_value result(napi_env env, int64_t value);

/* A blocking call on libuv's thread pool; the first member of a larger struct. */
struct work {
  napi_async_work handle;
  napi_deferred deferred;
  /* Runs on another thread, where napi must not be called. Returns >= 0 or -errno. */
  int64_t (*run)(struct work *work);
  int64_t result;
};

/* Allocates the larger struct, zeroed. Throws and returns NULL if memory is short. */
void *work_new(napi_env env, size_t size);
/* Queues `work`, which is freed when done, and returns a promise of its result. */
napi_value work_start(napi_env env, struct work *work, int64_t (*run)(struct work *));

/* Closes the descriptor and preserves errno. */
void close_quietly(int fd);
/* openat2(2) with O_CLOEXEC. Returns a descriptor or -errno. */
int64_t open_at2(int dir, const char *path, uint64_t flags, uint64_t resolve);

/* Each adds the functions of one file to the module's exports. */
napi_status files_register(napi_env env, napi_value exports);
napi_status sockets_register(napi_env env, napi_value exports);
napi_status inet_register(napi_env env, napi_value exports);
napi_status messages_register(napi_env env, napi_value exports);
napi_status packets_register(napi_env env, napi_value exports);
napi_status mounts_register(napi_env env, napi_value exports);
napi_status terminals_register(napi_env env, napi_value exports);
napi_status namespaces_register(napi_env env, napi_value exports);
napi_status processes_register(napi_env env, napi_value exports);
napi_status bpf_register(napi_env env, napi_value exports);
napi_status guest_register(napi_env env, napi_value exports);
napi_status mapper_register(napi_env env, napi_value exports);
napi_status poll_register(napi_env env, napi_value exports);
napi_status pump_register(napi_env env, napi_value exports);
napi_status uevents_register(napi_env env, napi_value exports);
napi_status inside_register(napi_env env, napi_value exports);
napi_status counted_register(napi_env env, napi_value exports);
napi_status noted_register(napi_env env, napi_value exports);
napi_status memory_register(napi_env env, napi_value exports);
napi_status engine_register(napi_env env, napi_value exports);
/* Counts a round of events for interpretFor. */
void engine_count_round(void);
napi_status trees_register(napi_env env, napi_value exports);

struct function {
  const char *name;
  napi_callback call;
};

napi_status register_functions(napi_env env, napi_value exports, const struct function *table, size_t count);
#define REGISTER(env, exports, table) register_functions(env, exports, table, sizeof(table) / sizeof((table)[0]))
