/* Descriptors: pipes, reading and writing, memory files, openat2. */
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../common/linux-abi.h"
#include "sys.h"

/* pipe(out: Int32Array, size): out[0] is the read end, out[1] the write end; size 0 keeps the kernel's 64 KiB */
static napi_value call_pipe(napi_env env, napi_callback_info info) {
  struct args args;
  int32_t *out;
  int64_t size;
  if (!args_begin(&args, env, info, 2) || !arg_ints(&args, "out", 2, &out) ||
      !arg_int(&args, "size", 0, INT_MAX, &size))
    return NULL;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return result(env, -errno);
  long status = size == 0 ? 0 : SYS_RETRY(fcntl(ends[1], F_SETPIPE_SZ, (int)size));
  if (status < 0) {
    close_quietly(ends[0]);
    close_quietly(ends[1]);
    return result(env, status);
  }
  out[0] = ends[0];
  out[1] = ends[1];
  return result(env, 0);
}

/* setNonBlocking(fd) */
static napi_value call_set_non_blocking(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  int on = 1;
  return result(env, SYS_RETRY(ioctl(fd, FIONBIO, &on)));
}

/* dup(fd): a close-on-exec copy above the standard descriptors */
static napi_value call_dup(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(fcntl(fd, F_DUPFD_CLOEXEC, 3)));
}

/*
 * lock(fd): locks the whole file until all copies of this descriptor are closed, in any process; -EAGAIN if another open
 * file has the lock
 */
static napi_value call_lock(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(flock(fd, LOCK_EX | LOCK_NB)));
}

/* locked(fd): 1 if another open file, in any process, has a record lock on any of its bytes, otherwise 0 */
static napi_value call_locked(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  long status = SYS_RETRY(fcntl(fd, F_OFD_GETLK, &all));
  return result(env, status < 0 ? status : all.l_type != F_UNLCK);
}

/* close(fd): Linux frees the number unless it fails with EBADF; EIO is about an earlier write, EINTR means nothing */
static napi_value call_close(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, close(fd) < 0 && errno == EBADF ? -EBADF : 0);
}

/* read(fd, into: Uint8Array) */
static napi_value call_read(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length))
    return NULL;
  return result(env, SYS_RETRY(read(fd, into, length)));
}

/* write(fd, from: Uint8Array) */
static napi_value call_write(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *from;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "from", &from, &length))
    return NULL;
  return result(env, SYS_RETRY(write(fd, from, length)));
}

/* readable(fd): bytes that can be read (FIONREAD) */
static napi_value call_readable(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int bytes = 0;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  long status = SYS_RETRY(ioctl(fd, FIONREAD, &bytes));
  return result(env, status < 0 ? status : bytes);
}

/* changed(fd): 1 if a file of procfs has changed since the last call (POLLPRI), else 0 */
static napi_value call_changed(napi_env env, napi_callback_info info) {
  struct args args;
  struct pollfd asked = {.events = POLLPRI};
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &asked.fd)) return NULL;
  long status = SYS_RETRY(poll(&asked, 1, 0));
  if (status > 0 && (asked.revents & POLLNVAL)) status = -EBADF;
  return result(env, status < 0 ? status : (asked.revents & POLLPRI) != 0);
}

/* hungUp(fd): 1 if the peers of a pipe or terminal are closed, whatever is left to read, else 0 */
static napi_value call_hung_up(napi_env env, napi_callback_info info) {
  struct args args;
  struct pollfd asked = {.events = 0};
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &asked.fd)) return NULL;
  long status = SYS_RETRY(poll(&asked, 1, 0));
  if (status > 0 && (asked.revents & POLLNVAL)) status = -EBADF;
  return result(env, status < 0 ? status : (asked.revents & POLLHUP) != 0);
}

/* resizePipe(fd, size): sets a pipe's capacity */
static napi_value call_resize_pipe(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t size;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "size", 1, INT_MAX, &size))
    return NULL;
  return result(env, SYS_RETRY(fcntl(fd, F_SETPIPE_SZ, (int)size)));
}

/* splice(from, to, length): at least one must be a pipe; never blocks on a pipe */
static napi_value call_splice(napi_env env, napi_callback_info info) {
  struct args args;
  int from, to;
  int64_t length;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "from", &from) || !arg_fd(&args, "to", &to) ||
      !arg_int(&args, "length", 1, INT_MAX, &length))
    return NULL;
  return result(env, SYS_RETRY(splice(from, NULL, to, NULL, (size_t)length, SPLICE_F_NONBLOCK)));
}

/* spliceAt(from, to, length, offset): from a pipe to a place in a file; never blocks on the pipe */
static napi_value call_splice_at(napi_env env, napi_callback_info info) {
  struct args args;
  int from, to;
  int64_t length, offset;
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "from", &from) || !arg_fd(&args, "to", &to) ||
      !arg_int(&args, "length", 1, INT_MAX, &length) || !arg_int(&args, "offset", 0, INT_MAX, &offset))
    return NULL;
  loff_t at = offset;
  return result(env, SYS_RETRY(splice(from, NULL, to, &at, (size_t)length, SPLICE_F_NONBLOCK)));
}

/* tee(from, to, length): copies between two pipes without consuming; never blocks */
static napi_value call_tee(napi_env env, napi_callback_info info) {
  struct args args;
  int from, to;
  int64_t length;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "from", &from) || !arg_fd(&args, "to", &to) ||
      !arg_int(&args, "length", 1, INT_MAX, &length))
    return NULL;
  return result(env, SYS_RETRY(tee(from, to, (size_t)length, SPLICE_F_NONBLOCK)));
}

/* Writes all of `header`, then moves `length` bytes, from one pipe to another that has room. Returns 0 or -errno. */
static long fill_frame(int from, int into, const uint8_t *header, size_t header_length, size_t length) {
  long wrote = header_length == 0 ? 0 : SYS_RETRY(write(into, header, header_length));
  if (wrote != (long)header_length) return wrote < 0 && wrote != -EAGAIN ? wrote : -EIO;
  for (size_t left = length; left > 0;) {
    long moved = SYS_RETRY(splice(from, NULL, into, NULL, left, SPLICE_F_NONBLOCK));
    if (moved <= 0) return moved < 0 && moved != -EAGAIN ? moved : -EIO;
    left -= (size_t)moved;
  }
  return 0;
}

/*
 * sendFrames([from, into, out, to], length, most, headers: Uint8Array): sends `length` bytes of a pipe to a socket by way of a
 * second, empty pipe (into, out), in frames of `most` bytes, each after an equal part of `headers`. Returns the bytes that the
 * socket took, with headers; the others stay in the second pipe.
 */
static napi_value call_send_frames(napi_env env, napi_callback_info info) {
  struct args args;
  int fds[RIGHTS_MAX];
  size_t count, headers_length;
  int64_t length, most;
  uint8_t *headers;
  if (!args_begin(&args, env, info, 4) || !arg_fds(&args, "descriptors", fds, &count) ||
      (count != 4 && !type_error(env, "descriptors", "four")) || !arg_int(&args, "length", 1, INT_MAX, &length) ||
      !arg_int(&args, "most", 1, INT_MAX, &most) || !arg_bytes(&args, "headers", &headers, &headers_length))
    return NULL;
  size_t frames = (size_t)((length + most - 1) / most), each = headers_length / frames;
  for (size_t i = 0; i < frames; i++) {
    int64_t left = length - (int64_t)i * most;
    long status = fill_frame(fds[0], fds[1], headers + i * each, each, (size_t)(left < most ? left : most));
    if (status < 0) return result(env, status);
  }
  size_t all = (size_t)length + frames * each;
  return result(env, SYS_RETRY(splice(fds[2], NULL, fds[3], NULL, all, SPLICE_F_NONBLOCK)));
}

/* Writes all bytes at an offset of a file. Returns 0 or -errno. */
static int64_t write_at(int fd, const void *from, size_t length, off_t offset) {
  for (size_t done = 0; done < length;) {
    long wrote = SYS_RETRY(pwrite(fd, (const char *)from + done, length - done, offset + (off_t)done));
    if (wrote <= 0) return wrote < 0 ? wrote : -EIO;
    done += (size_t)wrote;
  }
  return 0;
}

/* memoryFile(name, content: Uint8Array): descriptor of a memory file sealed against all changes, at offset 0 */
static napi_value call_memory_file(napi_env env, napi_callback_info info) {
  struct args args;
  char name[250];
  uint8_t *content;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_string(&args, "name", name, sizeof(name)) ||
      !arg_bytes(&args, "content", &content, &length))
    return NULL;
  long fd = SYS_RETRY(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (fd < 0) return result(env, fd);
  long status = write_at((int)fd, content, length, 0);
  if (status == 0)
    status = SYS_RETRY(fcntl((int)fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  if (status < 0) close_quietly((int)fd);
  return result(env, status < 0 ? status : fd);
}

static void unmap(napi_env env, void *memory, void *length) {
  (void)env;
  munmap(memory, (size_t)length);
}

/* mapShared(fd, length): ArrayBuffer that shares the first bytes of the file, or -errno */
static napi_value call_map_shared(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t length;
  struct stat stat;
  napi_value buffer;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "length", 1, INT_MAX, &length))
    return NULL;
  if (fstat(fd, &stat) < 0) return result(env, -errno);
  if (stat.st_size < length) return result(env, -EINVAL); /* access beyond the end raises SIGBUS */
  void *memory = mmap(NULL, (size_t)length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return result(env, -errno);
  if (napi_create_external_arraybuffer(env, memory, (size_t)length, unmap, (void *)length, &buffer) == napi_ok)
    return buffer;
  munmap(memory, (size_t)length);
  return result(env, -ENOMEM);
}

int64_t open_at2(int dir, const char *path, uint64_t flags, uint64_t resolve) {
  struct abi_open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
  int fd = abi_openat2_retried(dir, path, &how);
  return fd < 0 ? -errno : fd;
}

/* openat2(dir, path, flags, resolve): opens a file that exists */
static napi_value call_openat2(napi_env env, napi_callback_info info) {
  struct args args;
  int dir;
  char path[PATH_MAX];
  uint64_t flags;
  int64_t resolve;
  if (!args_begin(&args, env, info, 4) || !arg_fd(&args, "dir", &dir) ||
      !arg_string(&args, "path", path, sizeof(path)) || !arg_open_flags(&args, "flags", &flags) ||
      !arg_int(&args, "resolve", 0, 0xff, &resolve))
    return NULL;
  return result(env, open_at2(dir, path, flags, (uint64_t)resolve));
}

/* makeNode(dir, name, mode, major, minor): creates a named pipe or a device; follows and replaces nothing */
static napi_value call_make_node(napi_env env, napi_callback_info info) {
  struct args args;
  int dir;
  char name[NAME_MAX + 1];
  int64_t mode, major, minor;
  if (!args_begin(&args, env, info, 5) || !arg_fd(&args, "dir", &dir) ||
      !arg_string(&args, "name", name, sizeof(name)) || !arg_int(&args, "mode", 0, 0xffff, &mode) ||
      !arg_int(&args, "major", 0, 0xfff, &major) || !arg_int(&args, "minor", 0, 0xfffff, &minor))
    return NULL;
  if (strchr(name, '/') != NULL) {
    type_error(env, "name", "without a slash");
    return NULL;
  }
  return result(env, SYS_RETRY(mknodat(dir, name, (mode_t)mode, makedev((unsigned)major, (unsigned)minor))));
}

/* setXattr(fd, name, value: Uint8Array) */
static napi_value call_set_xattr(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  char name[XATTR_NAME_MAX + 1];
  uint8_t *value;
  size_t length;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) ||
      !arg_string(&args, "name", name, sizeof(name)) || !arg_bytes(&args, "value", &value, &length))
    return NULL;
  return result(env, SYS_RETRY(fsetxattr(fd, name, value, length, 0)));
}

napi_status files_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"pipe", call_pipe},
      {"setNonBlocking", call_set_non_blocking},
      {"dup", call_dup},
      {"lock", call_lock},
      {"locked", call_locked},
      {"close", call_close},
      {"read", call_read},
      {"write", call_write},
      {"readable", call_readable},
      {"changed", call_changed},
      {"hungUp", call_hung_up},
      {"resizePipe", call_resize_pipe},
      {"splice", call_splice},
      {"spliceAt", call_splice_at},
      {"tee", call_tee},
      {"sendFrames", call_send_frames},
      {"memoryFile", call_memory_file},
      {"mapShared", call_map_shared},
      {"openat2", call_openat2},
      {"makeNode", call_make_node},
      {"setXattr", call_set_xattr},
  };
  return REGISTER(env, exports, table);
}
