/* When V8 compiles JavaScript to machine code. */
#include <stdatomic.h>

#include "sys.h"

/*
 * Function of V8's C++ API; weak, so that a Node without it can still load the addon. node:v8 calls it too, but loads all
 * of Node's streams.
 */
extern void v8_set_flags(const char *flags) __asm__("_ZN2v82V818SetFlagsFromStringEPKc") __attribute__((weak));

enum { NEVER_CALLED = -1 };

/* Of the process, as V8's flags are. */
static atomic_long rounds_left = NEVER_CALLED;

void engine_count_round(void) {
  if (atomic_load(&rounds_left) > 0 && atomic_fetch_sub(&rounds_left, 1) == 1)
    v8_set_flags("--sparkplug --maglev --opt");
}

/*
 * interpretFor(rounds): makes V8 only interpret for that many rounds of events on Polls, and compile after them; with 0 at once.
 * Returns the rounds that were left, -1 in the first call, or -ENOSYS
 */
static napi_value call_interpret_for(napi_env env, napi_callback_info info) {
  struct args args;
  int64_t rounds;
  if (!args_begin(&args, env, info, 1) || !arg_int(&args, "rounds", 0, INT32_MAX, &rounds)) return NULL;
  if (!v8_set_flags) return result(env, -ENOSYS);
  v8_set_flags(rounds > 0 ? "--no-sparkplug --no-maglev --no-opt" : "--sparkplug --maglev --opt");
  return result(env, atomic_exchange(&rounds_left, rounds));
}

napi_status engine_register(napi_env env, napi_value exports) {
  const struct function table[] = {{"interpretFor", call_interpret_for}};
  return REGISTER(env, exports, table);
}
