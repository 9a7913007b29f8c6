/*
 * The compiler of seccomp filters: libseccomp behind one function, as an N-API addon of its own, which an agent loads
 * when the first container asks for a filter.
 */
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAPI_VERSION 9
#include <node_api.h>

enum { NAME_SIZE = 64, MAX_CONDITIONS = 6 };

/* "arch NAME"; one that the filter has already is left. */
static int add_arch(scmp_filter_ctx filter, const char *line) {
  char name[NAME_SIZE];
  if (sscanf(line, "arch %63s", name) != 1) return -EINVAL;
  uint32_t token = seccomp_arch_resolve_name(name);
  if (token == 0) return -EINVAL;
  int result = seccomp_arch_add(filter, token);
  return result == -EEXIST ? 0 : result;
}

/* "rule ACTION NAME [ARGUMENT OPERATOR VALUE VALUE]…"; a call that no architecture has by this name is left out. */
static int add_rule(scmp_filter_ctx filter, const char *line) {
  char name[NAME_SIZE];
  struct scmp_arg_cmp conditions[MAX_CONDITIONS];
  unsigned action, count = 0, argument, compare;
  int used = 0;
  if (sscanf(line, "rule %x %63s%n", &action, name, &used) != 2) return -EINVAL;
  for (line += used; *line != '\0'; line += used) {
    uint64_t a, b;
    if (count == MAX_CONDITIONS) return -EINVAL;
    if (sscanf(line, " %u %u %" SCNu64 " %" SCNu64 "%n", &argument, &compare, &a, &b, &used) != 4) return -EINVAL;
    conditions[count++] = (struct scmp_arg_cmp){argument, (enum scmp_compare)compare, a, b};
  }
  int call = seccomp_syscall_resolve_name(name);
  return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(filter, action, call, count, conditions);
}

/* All lines but the first; `*failed` is the number of the one at hand. */
static int fill(scmp_filter_ctx filter, char *lines, int32_t *failed) {
  char *next;
  for (char *line = strtok_r(lines, "\n", &next); line != NULL; line = strtok_r(NULL, "\n", &next)) {
    *failed += 1;
    int result = line[0] == 'a' ? add_arch(filter, line) : add_rule(filter, line);
    if (result < 0) return result;
  }
  return 0;
}

/* The program in a memory file, or -errno. `description` is taken apart. */
static int compile(char *description, int32_t *failed) {
  unsigned action;
  int used = 0;
  if (sscanf(description, "default %x\n%n", &action, &used) != 1 || used == 0) return -EINVAL;
  scmp_filter_ctx filter = seccomp_init(action);
  if (filter == NULL) return -EINVAL;
  int result = fill(filter, description + used, failed);
  if (result == 0) result = memfd_create("seccomp", MFD_CLOEXEC);
  int exported = result < 0 ? 0 : seccomp_export_bpf(filter, result);
  seccomp_release(filter);
  if (exported == 0) return result;
  close(result);
  return exported;
}

/* A Buffer with the content of the file, or undefined with *result = -errno. Closes it. */
static napi_value take_file(napi_env env, int file, int *result) {
  struct stat found;
  void *data;
  napi_value buffer = NULL;
  if (fstat(file, &found) < 0) *result = -errno;
  else if (napi_create_buffer(env, (size_t)found.st_size, &data, &buffer) != napi_ok) *result = -ENOMEM;
  else if (pread(file, data, (size_t)found.st_size, 0) != found.st_size) *result = -EIO;
  close(file);
  return buffer;
}

/*
 * compile(description: string, failed: Int32Array): Buffer | number. The description has one line for each thing:
 * "default ACTION", then "arch …" and "rule …" (see above; actions in hexadecimal, as SCMP_ACT_* are). Gives the BPF
 * instructions, 8 bytes each, or -errno with the number of the line in failed[0], from 0.
 */
static napi_value call_compile(napi_env env, napi_callback_info info) {
  size_t count = 2, length = 0;
  napi_value args[2], value = NULL;
  napi_typedarray_type type;
  void *failed = NULL;
  bool valid = napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 2;
  valid = valid && napi_get_typedarray_info(env, args[1], &type, &length, &failed, NULL, NULL) == napi_ok;
  valid = valid && type == napi_int32_array && length > 0;
  valid = valid && napi_get_value_string_utf8(env, args[0], NULL, 0, &length) == napi_ok;
  if (!valid) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "compile takes a string and an Int32Array");
    return NULL;
  }
  char *description = malloc(length + 1);
  int result = -ENOMEM;
  *(int32_t *)failed = 0;
  if (description != NULL && napi_get_value_string_utf8(env, args[0], description, length + 1, NULL) == napi_ok) {
    result = compile(description, failed);
  }
  free(description);
  if (result >= 0) value = take_file(env, result, &result);
  if (result < 0) napi_create_int32(env, result, &value);
  return value;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "compile", NAPI_AUTO_LENGTH, call_compile, NULL, &function) != napi_ok ||
      napi_set_named_property(env, exports, "compile", function) != napi_ok) {
    napi_throw_error(env, NULL, "seccomp.node cannot register its function");
    return NULL;
  }
  return exports;
}
