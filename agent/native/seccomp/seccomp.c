/* A compiler of seccomp filters: libseccomp as an N-API addon, loaded when the first container needs a filter. */
#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef NAPI_VERSION
#define NAPI_VERSION 9
#endif
#include <node_api.h>

/*
 * A description (agent/kernel/sys/seccomp-compiler.ts writes it) is an array of 32-bit words, little endian:
 *
 *   default action (SCMP_ACT_*), number of architectures, number of rules
 *   each architecture: its name
 *   each rule: action, number of conditions, the conditions, the system call's name
 *   each condition: argument, operator (enum scmp_compare), two values of 64 bits
 *   each name: 64 bytes, padded with zeros
 */
enum { NAME_BYTES = 64, MAX_CONDITIONS = 6 };

struct reader {
  const uint8_t *at;
  size_t left;
};

/* Reads `size` bytes. Returns false if fewer are left. */
static bool take(struct reader *reader, void *out, size_t size) {
  if (reader->left < size) return false;
  memcpy(out, reader->at, size);
  reader->at += size;
  reader->left -= size;
  return true;
}

static bool take_name(struct reader *reader, char name[NAME_BYTES]) {
  return take(reader, name, NAME_BYTES) && name[0] != '\0' && name[NAME_BYTES - 1] == '\0';
}

/* Adds an architecture. Ignores one that the filter already has. */
static int add_arch(scmp_filter_ctx filter, struct reader *reader) {
  char name[NAME_BYTES];
  if (!take_name(reader, name)) return -EINVAL;
  uint32_t token = seccomp_arch_resolve_name(name);
  if (token == 0) return -EINVAL;
  int result = seccomp_arch_add(filter, token);
  return result == -EEXIST ? 0 : result;
}

/* Adds a rule. Ignores a system call that no architecture has. */
static int add_rule(scmp_filter_ctx filter, struct reader *reader) {
  struct {
    uint32_t action, conditions;
  } head;
  struct {
    uint32_t argument, compare;
    uint64_t values[2];
  } condition;
  struct scmp_arg_cmp conditions[MAX_CONDITIONS];
  char name[NAME_BYTES];
  if (!take(reader, &head, sizeof head) || head.conditions > MAX_CONDITIONS) return -EINVAL;
  for (uint32_t i = 0; i < head.conditions; i++) {
    if (!take(reader, &condition, sizeof condition)) return -EINVAL;
    enum scmp_compare compare = (enum scmp_compare)condition.compare;
    conditions[i] = (struct scmp_arg_cmp){condition.argument, compare, condition.values[0], condition.values[1]};
  }
  if (!take_name(reader, name)) return -EINVAL;
  int call = seccomp_syscall_resolve_name(name);
  return call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add_array(filter, head.action, call, head.conditions, conditions);
}

/* Adds all architectures and rules. Counts in `*entry` the one it is at, from 1. */
static int fill(scmp_filter_ctx filter, struct reader *reader, uint32_t architectures, uint32_t rules, int32_t *entry) {
  for (uint32_t i = 0; i < architectures; i++, ++*entry) {
    int result = add_arch(filter, reader);
    if (result < 0) return result;
  }
  for (uint32_t i = 0; i < rules; i++, ++*entry) {
    int result = add_rule(filter, reader);
    if (result < 0) return result;
  }
  return reader->left == 0 ? 0 : -EINVAL;
}

/* Returns a memory file with the program, or -errno with the number of the entry that failed in `*entry`. */
static int compile(struct reader reader, int32_t *entry) {
  struct {
    uint32_t action, architectures, rules;
  } head;
  if (!take(&reader, &head, sizeof head)) return -EINVAL;
  scmp_filter_ctx filter = seccomp_init(head.action);
  if (filter == NULL) return -EINVAL;
  *entry = 1;
  int result = fill(filter, &reader, head.architectures, head.rules, entry);
  if (result == 0) result = memfd_create("seccomp", MFD_CLOEXEC);
  int exported = result < 0 ? 0 : seccomp_export_bpf(filter, result);
  seccomp_release(filter);
  if (exported == 0) return result;
  close(result);
  return exported;
}

/* Returns the file's content as a Buffer, or sets *result to -errno. Closes the file. */
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

static bool take_array(napi_env env, napi_value value, napi_typedarray_type want, void **data, size_t *length) {
  napi_typedarray_type type;
  return napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok && type == want;
}

/*
 * compile(description: Uint8Array, failed: Int32Array): Buffer | number. Returns the BPF instructions, 8 bytes each, or
 * -errno with the failed entry in failed[0]: 0 is the head, then come the architectures and the rules.
 */
static napi_value call_compile(napi_env env, napi_callback_info info) {
  size_t count = 2, size = 0, length = 0;
  napi_value args[2], value = NULL;
  void *bytes = NULL, *failed = NULL;
  bool valid = napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok && count == 2;
  valid = valid && take_array(env, args[0], napi_uint8_array, &bytes, &size);
  valid = valid && take_array(env, args[1], napi_int32_array, &failed, &length) && length > 0;
  if (!valid) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "compile takes a Uint8Array and an Int32Array");
    return NULL;
  }
  int32_t entry = 0;
  int result = compile((struct reader){.at = bytes, .left = size}, &entry);
  *(int32_t *)failed = entry;
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
