#include <stdlib.h>
#include <unistd.h>

#include "sys.h"

napi_value result(napi_env env, int64_t value) {
  napi_value number = NULL;
  napi_create_int64(env, value, &number);
  return number;
}

void close_quietly(int fd) {
  int saved = errno;
  close(fd);
  errno = saved;
}

void *work_new(napi_env env, size_t size) {
  void *work = calloc(1, size);
  if (work == NULL) napi_throw_error(env, NULL, "out of memory");
  return work;
}

static void work_execute(napi_env env, void *data) {
  (void)env;
  struct work *work = data;
  work->result = work->run(work);
}

static void work_complete(napi_env env, napi_status status, void *data) {
  struct work *work = data;
  napi_value value = result(env, status == napi_ok ? work->result : -ECANCELED);
  napi_resolve_deferred(env, work->deferred, value);
  napi_delete_async_work(env, work->handle);
  free(work);
}

napi_value work_start(napi_env env, struct work *work, int64_t (*run)(struct work *)) {
  napi_value promise, name;
  work->run = run;
  if (napi_create_promise(env, &work->deferred, &promise) != napi_ok) goto fail;
  if (napi_create_string_utf8(env, "guestd.sys", NAPI_AUTO_LENGTH, &name) != napi_ok) goto fail;
  if (napi_create_async_work(env, NULL, name, work_execute, work_complete, work, &work->handle) != napi_ok) goto fail;
  if (napi_queue_async_work(env, work->handle) == napi_ok) return promise;
  napi_delete_async_work(env, work->handle);
fail:
  free(work);
  napi_throw_error(env, NULL, "cannot queue the call on the thread pool");
  return NULL;
}

napi_status register_functions(napi_env env, napi_value exports, const struct function *table, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function;
    napi_status status = napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].call, NULL, &function);
    if (status == napi_ok) status = napi_set_named_property(env, exports, table[i].name, function);
    if (status != napi_ok) return status;
  }
  return napi_ok;
}

NAPI_MODULE_INIT() {
  napi_status (*const topics[])(napi_env, napi_value) = {
      files_register,     sockets_register,    messages_register,  mounts_register,
      inet_register,      packets_register,
      terminals_register, namespaces_register, processes_register, poll_register,
      bpf_register,       guest_register,      mapper_register,    uevents_register,
      inside_register,    counted_register,    memory_register,    trees_register,
      pump_register,      engine_register,     noted_register,
  };
  for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
    if (topics[i](env, exports) != napi_ok) {
      napi_throw_error(env, NULL, "sys.node cannot register its functions");
      return NULL;
    }
  }
  return exports;
}
