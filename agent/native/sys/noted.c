/*
 * Writing to a pipe or terminal, with a note in memory that outlives the process. No system call on them has the kernel
 * store the count, as those of counted.c do, so the instructions next to write(2) store it. How many bytes the kernel takes
 * whole is found out before: a process that is killed in write(2) has written what its note says.
 */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sys.h"

/* A terminal with any room takes as many bytes: less than a buffer of the kernel's tty layer. */
#define TERMINAL_BYTES 1024

/* Returns how many of the bytes a ready descriptor takes whole, rather than in part. */
static size_t whole(int fd, size_t length) {
  if (length <= TERMINAL_BYTES) return length;
  int size = fcntl(fd, F_GETPIPE_SZ), held = 0;
  if (size < 0) return TERMINAL_BYTES;
  if (length > PIPE_BUF && (ioctl(fd, FIONREAD, &held) < 0 || held > 0)) size = PIPE_BUF;
  return length < (size_t)size ? length : (size_t)size;
}

/*
 * writeNoted(fd, from: Uint8Array, note: Int32Array): like write, of as many bytes as the kernel takes whole. It adds 2 to
 * note[0] for each byte written. During the write, note[0] is higher by that and by 1.
 */
static napi_value call_write_noted(napi_env env, napi_callback_info info) {
  struct args args;
  struct pollfd room = {.events = POLLOUT};
  uint8_t *from;
  size_t length;
  int32_t *words;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &room.fd) || !arg_bytes(&args, "from", &from, &length) ||
      !arg_ints(&args, "note", 1, &words))
    return NULL;
  volatile uint32_t *note = (volatile uint32_t *)words;
  uint32_t before = *note;
  long status = SYS_RETRY(poll(&room, 1, 0));
  if (status <= 0) return result(env, status < 0 ? status : -EAGAIN);
  length = whole(room.fd, length);
  *note = before + 2 * (uint32_t)length + 1;
  status = SYS_RETRY(write(room.fd, from, length));
  *note = before + (status > 0 ? 2 * (uint32_t)status : 0);
  return result(env, status);
}

napi_status noted_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"writeNoted", call_write_noted}};
  return REGISTER(env, exports, table);
}
