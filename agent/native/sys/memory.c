/* The agent's own memory: what the garbage collector counts, and what is returned to the kernel. */
#define NAPI_VERSION 10 /* for external strings */
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys.h"

/*
 * Two functions of V8's C++ API that N-API lacks; weak, so that a Node without them can still load the addon.
 * MemoryPressureLevel::kModerate makes V8 mark its heap in small steps on the event loop, and return free pages.
 */
extern void *v8_current_isolate(void) __asm__("_ZN2v87Isolate10GetCurrentEv") __attribute__((weak));
extern void v8_memory_pressure(void *isolate, int level) __asm__(
    "_ZN2v87Isolate26MemoryPressureNotificationENS_19MemoryPressureLevelE") __attribute__((weak));
#define MODERATE 1

/*
 * keepForGood(bytes): keeps mapped memory for the life of the process, uncounted by the garbage collector; 0. Only for
 * a process that is killed or calls exit: if it ends by itself, V8 frees the buffer, and aborts on the negative count.
 */
static napi_value call_keep_for_good(napi_env env, napi_callback_info info) {
  struct args args;
  uint8_t *data;
  size_t length;
  napi_ref reference;
  int64_t total;
  if (!args_begin(&args, env, info, 1) || !arg_bytes(&args, "bytes", &data, &length)) return NULL;
  if (napi_create_reference(env, args.value[0], 1, &reference) == napi_ok)
    napi_adjust_external_memory(env, -(int64_t)length, &total);
  return result(env, 0);
}

/* collectGarbage(): starts a collection that proceeds in small steps; 0 or -ENOSYS */
static napi_value call_collect_garbage(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  if (!v8_current_isolate || !v8_memory_pressure) return result(env, -ENOSYS);
  v8_memory_pressure(v8_current_isolate(), MODERATE);
  return result(env, 0);
}

/* trimHeap(): returns free pages of malloc's heap to the kernel; 1 if there were any */
static napi_value call_trim_heap(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  return result(env, malloc_trim(0));
}

static void unmap_text(napi_env env, void *text, void *length) {
  (void)env;
  munmap(text, (size_t)length);
}

/* mapText(path): string backed by a mapped ASCII file, which must not change, or -errno */
static napi_value call_map_text(napi_env env, napi_callback_info info) {
  struct args args;
  char path[PATH_MAX];
  struct stat stat;
  napi_value string;
  bool copied = false;
  if (!args_begin(&args, env, info, 1) || !arg_string(&args, "path", path, sizeof(path))) return NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return result(env, -errno);
  int status = fstat(fd, &stat) < 0 ? -errno : stat.st_size <= 0 || stat.st_size > INT_MAX / 4 ? -EFBIG : 0;
  size_t length = (size_t)stat.st_size;
  void *text = status < 0 ? MAP_FAILED : mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);
  if (status == 0 && text == MAP_FAILED) status = -errno;
  close(fd);
  if (status < 0) return result(env, status);
  if (node_api_create_external_string_latin1(env, text, length, unmap_text, (void *)length, &string, &copied) !=
      napi_ok) {
    munmap(text, length);
    return result(env, -ENOMEM);
  }
  return string; /* if V8 has copied the text, it is unmapped already */
}

napi_status memory_register(napi_env env, napi_value exports) {
  const struct function table[] = {
      {"collectGarbage", call_collect_garbage}, {"trimHeap", call_trim_heap}, {"mapText", call_map_text},
      {"keepForGood", call_keep_for_good}};
  return REGISTER(env, exports, table);
}
