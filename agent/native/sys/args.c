#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sys.h"

bool type_error(napi_env env, const char *name, const char *expected) {
  bool pending = false;
  if (napi_is_exception_pending(env, &pending) != napi_ok || pending) return false;
  char text[160];
  snprintf(text, sizeof(text), "%s must be %s", name, expected);
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", text);
  return false;
}

bool args_begin(struct args *args, napi_env env, napi_callback_info info, size_t count) {
  *args = (struct args){.env = env, .count = SYS_MAX_ARGS};
  if (napi_get_cb_info(env, info, &args->count, args->value, &args->self, NULL) != napi_ok)
    return type_error(env, "call", "readable");
  if (args->count == count) return true;
  char expected[48];
  snprintf(expected, sizeof(expected), "%zu, not %zu", count, args->count);
  return type_error(env, "number of arguments", expected);
}

static napi_value take(struct args *args) { return args->value[args->next++]; }

static bool integer(napi_env env, napi_value value, int64_t low, int64_t high, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= (double)low && number <= (double)high) || trunc(number) != number) return false;
  *out = (int64_t)number;
  return true;
}

bool arg_int(struct args *args, const char *name, int64_t low, int64_t high, int64_t *out) {
  if (integer(args->env, take(args), low, high, out)) return true;
  char expected[80];
  snprintf(expected, sizeof(expected), "an integer from %lld to %lld", (long long)low, (long long)high);
  return type_error(args->env, name, expected);
}

bool arg_fd(struct args *args, const char *name, int *out) {
  int64_t number;
  if (!integer(args->env, take(args), 0, INT_MAX, &number)) return type_error(args->env, name, "a descriptor");
  *out = (int)number;
  return true;
}

bool value_string(napi_env env, napi_value value, const char *name, char *out, size_t size) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return type_error(env, name, "a string");
  if (length >= size) {
    char expected[64];
    snprintf(expected, sizeof(expected), "shorter than %zu bytes", size);
    return type_error(env, name, expected);
  }
  if (napi_get_value_string_utf8(env, value, out, size, &length) != napi_ok) return type_error(env, name, "a string");
  return strlen(out) == length || type_error(env, name, "without NUL bytes");
}

bool arg_string(struct args *args, const char *name, char *out, size_t size) {
  return value_string(args->env, take(args), name, out, size);
}

static bool typed_array(napi_env env, napi_value value, napi_typedarray_type want, void **data, size_t *length) {
  bool is = false;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  return napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == want;
}

bool arg_bytes(struct args *args, const char *name, uint8_t **data, size_t *length) {
  void *memory = NULL;
  if (!typed_array(args->env, take(args), napi_uint8_array, &memory, length))
    return type_error(args->env, name, "a Uint8Array");
  *data = memory;
  return true;
}

static bool numbers(struct args *args, const char *name, napi_typedarray_type type, size_t least, void **data) {
  size_t length = 0;
  if (typed_array(args->env, take(args), type, data, &length) && length >= least) return true;
  char expected[64];
  snprintf(expected, sizeof(expected), "%s of %zu or more", type == napi_int32_array ? "an Int32Array" : "a Float64Array",
           least);
  return type_error(args->env, name, expected);
}

bool arg_ints(struct args *args, const char *name, size_t least, int32_t **data) {
  void *memory = NULL;
  bool read = numbers(args, name, napi_int32_array, least, &memory);
  *data = memory;
  return read;
}

bool arg_doubles(struct args *args, const char *name, size_t least, double **data) {
  void *memory = NULL;
  bool read = numbers(args, name, napi_float64_array, least, &memory);
  *data = memory;
  return read;
}

bool arg_fds(struct args *args, const char *name, int out[RIGHTS_MAX], size_t *count) {
  napi_env env = args->env;
  napi_value list = take(args);
  uint32_t length = 0;
  if (napi_get_array_length(env, list, &length) != napi_ok || length > RIGHTS_MAX)
    return type_error(env, name, "an array of at most 64 descriptors");
  for (uint32_t i = 0; i < length; i++) {
    napi_value element;
    int64_t fd;
    if (napi_get_element(env, list, i, &element) != napi_ok || !integer(env, element, 0, INT_MAX, &fd))
      return type_error(env, name, "an array of at most 64 descriptors");
    out[i] = (int)fd;
  }
  *count = length;
  return true;
}

bool arg_open_flags(struct args *args, const char *name, uint64_t *out) {
  int64_t flags = 0;
  if (!arg_int(args, name, 0, INT_MAX, &flags)) return false;
  if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)))
    return type_error(args->env, name, "without O_CREAT and O_TMPFILE");
  *out = (uint64_t)flags;
  return true;
}

bool arg_function(struct args *args, const char *name, napi_value *out) {
  napi_valuetype type;
  *out = take(args);
  if (napi_typeof(args->env, *out, &type) != napi_ok || type != napi_function)
    return type_error(args->env, name, "a function");
  return true;
}
