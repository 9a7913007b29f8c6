/* Files of a tree that is copied, with all that Node can't read or set: attributes, times in nanoseconds, holes. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sys.h"

/*
 * openName(dir, name: Uint8Array, flags, resolve): opens an entry of a directory that exists; a name is bytes, which
 * need not be UTF-8
 */
static napi_value call_open_name(napi_env env, napi_callback_info info) {
  struct args args;
  int dir;
  uint8_t *name;
  size_t length;
  uint64_t flags;
  int64_t resolve;
  char path[NAME_MAX + 1];
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "dir", &dir) || !arg_bytes(&args, "name", &name, &length) ||
      !arg_open_flags(&args, "flags", &flags) || !arg_int(&args, "resolve", 0, 0xff, &resolve))
    return NULL;
  if (length == 0 || length > NAME_MAX || memchr(name, 0, length) != NULL || memchr(name, '/', length) != NULL) {
    type_error(env, "name", "1 to 255 bytes without NUL and slash");
    return NULL;
  }
  memcpy(path, name, length);
  path[length] = '\0';
  return result(env, open_at2(dir, path, flags, (uint64_t)resolve));
}

/* listXattrs(fd, into: Uint8Array): length of the names, each with a NUL after it; -ERANGE if `into` is too short */
static napi_value call_list_xattrs(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length))
    return NULL;
  /* A length of 0 would ask for the size. */
  return result(env, length == 0 ? -ERANGE : SYS_RETRY(flistxattr(fd, (char *)into, length)));
}

/* getXattr(fd, name, into: Uint8Array): length of the value; -ERANGE if `into` is too short */
static napi_value call_get_xattr(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  char name[XATTR_NAME_MAX + 1];
  uint8_t *into;
  size_t length;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) ||
      !arg_string(&args, "name", name, sizeof(name)) || !arg_bytes(&args, "into", &into, &length))
    return NULL;
  return result(env, length == 0 ? -ERANGE : SYS_RETRY(fgetxattr(fd, name, into, length)));
}

/*
 * setTimes(fd, times: Uint8Array): seconds and nanoseconds of the last access, then of the last change, each of 8 bytes;
 * of any descriptor, O_PATH of a link included
 */
static napi_value call_set_times(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *bytes;
  size_t length;
  int64_t given[4];
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "times", &bytes, &length))
    return NULL;
  if (length != sizeof(given)) {
    type_error(env, "times", "32 bytes");
    return NULL;
  }
  memcpy(given, bytes, sizeof(given));
  struct timespec times[2] = {{.tv_sec = given[0], .tv_nsec = given[1]}, {.tv_sec = given[2], .tv_nsec = given[3]}};
  return result(env, SYS_RETRY(utimensat(fd, "", times, AT_EMPTY_PATH)));
}

/* seek(fd, offset, hole: 0 | 1): offset of the next data, or of the next hole; -ENXIO if there is none */
static napi_value call_seek(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t offset, hole;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) ||
      !arg_int(&args, "offset", 0, (int64_t)1 << 53, &offset) || !arg_int(&args, "hole", 0, 1, &hole))
    return NULL;
  return result(env, SYS_RETRY(lseek(fd, (off_t)offset, hole == 1 ? SEEK_HOLE : SEEK_DATA)));
}

napi_status trees_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"openName", call_open_name}, {"listXattrs", call_list_xattrs}, {"getXattr", call_get_xattr},
      {"setTimes", call_set_times}, {"seek", call_seek},
  };
  return REGISTER(env, exports, table);
}
