/* How V8 runs code, and whether the processor below is emulated. */
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "sys.h"

/*
 * Function of V8's C++ API; weak, so that a Node without it can still load the addon. node:v8 calls it too, but loads all
 * of Node's streams.
 */
extern void v8_set_flags(const char *flags) __asm__("_ZN2v82V818SetFlagsFromStringEPKc") __attribute__((weak));

#ifdef __x86_64__
static bool is_emulated(void) {
  enum { HAS_HYPERVISOR = 1u << 31, HYPERVISOR = 0x40000000 };
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & HAS_HYPERVISOR) == 0) return false;
  unsigned name[3];
  __cpuid(HYPERVISOR, a, name[0], name[1], name[2]);
  return memcmp(name, "TCGTCGTCGTCG", sizeof name) == 0;
}
#else
static bool is_emulated(void) { return false; }
#endif

/* isEmulated(): 1 if the processor says that QEMU emulates it (TCG), otherwise 0; always 0 on arm64, which has no such name */
static napi_value call_is_emulated(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  return result(env, is_emulated());
}

/* interpretOnly(on): makes V8 compile no more functions to machine code, or compile again; 0 or -ENOSYS */
static napi_value call_interpret_only(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t on;
  if (!args_begin(&args, env, info, 1) || !arg_int(&args, "on", 0, 1, &on)) return NULL;
  if (!v8_set_flags) return result(env, -ENOSYS);
  v8_set_flags(on ? "--no-sparkplug --no-maglev --no-opt" : "--sparkplug --maglev --opt");
  return result(env, 0);
}

napi_status engine_register(napi_env env, napi_value exports) {
  const struct function table[] = {{"isEmulated", call_is_emulated}, {"interpretOnly", call_interpret_only}};
  return REGISTER(env, exports, table);
}
