/*
 * The agent's own memory: what garbage collections count, and what is given back to the kernel.
 */
#include <malloc.h>

#include "sys.h"

/*
 * Of V8's API in C++, which N-API has no part of; weak, so that a Node without them loads the addon all the same.
 * MemoryPressureLevel::kModerate has V8 mark its heap in small steps on the event loop, and give free pages back.
 */
extern void *v8_current_isolate(void) __asm__("_ZN2v87Isolate10GetCurrentEv") __attribute__((weak));
extern void v8_memory_pressure(void *isolate, int level) __asm__(
    "_ZN2v87Isolate26MemoryPressureNotificationENS_19MemoryPressureLevelE") __attribute__((weak));
#define MODERATE 1

void not_garbage(napi_env env, int64_t bytes) {
  int64_t total;
  napi_adjust_external_memory(env, -bytes, &total);
}

/* collectGarbage(): begins a collection that goes on in small steps. 0, or -ENOSYS */
static napi_value call_collect_garbage(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  if (!v8_current_isolate || !v8_memory_pressure) return result(env, -ENOSYS);
  v8_memory_pressure(v8_current_isolate(), MODERATE);
  return result(env, 0);
}

/* trimHeap(): gives the free pages of malloc's heap back to the kernel. 1 if there were some */
static napi_value call_trim_heap(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  return result(env, malloc_trim(0));
}

napi_status memory_register(napi_env env, napi_value exports) {
  const struct function table[] = {{"collectGarbage", call_collect_garbage}, {"trimHeap", call_trim_heap}};
  return REGISTER(env, exports, table);
}
