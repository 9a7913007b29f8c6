/* Messages with descriptors over unix sockets (SCM_RIGHTS). */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

union control {
  char bytes[CMSG_SPACE(sizeof(int) * SYS_MAX_FDS)];
  struct cmsghdr align;
};

/* sendMessage(fd, data: Uint8Array, fds: number[]): bytes sent; never waits, never raises SIGPIPE */
static napi_value call_send_message(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *data;
  size_t length, count;
  int fds[SYS_MAX_FDS];
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "data", &data, &length) ||
      !arg_fds(&args, "fds", fds, &count))
    return NULL;
  union control control;
  struct iovec part = {.iov_base = data, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    memset(&control, 0, sizeof(control));
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  }
  return result(env, SYS_RETRY(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

static size_t received_fds(struct msghdr *message, int32_t *out) {
  size_t count = 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h != NULL; h = CMSG_NXTHDR(message, h)) {
    if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
    size_t here = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < here && count < SYS_MAX_FDS; i++)
      memcpy(&out[count++], CMSG_DATA(h) + i * sizeof(int), sizeof(int));
  }
  return count;
}

/*
 * receiveMessage(fd, into: Uint8Array, fds: Int32Array of 65): bytes received; fds[0] is the number of descriptors,
 * which follow it and are the caller's. A message that does not fit, in bytes or descriptors, is lost: its descriptors
 * are closed and the result is -EMSGSIZE. When this process has no numbers left for them, they are closed and fds[0] is -1.
 */
static napi_value call_receive_message(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length;
  int32_t *fds;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length) ||
      !arg_ints(&args, "fds", SYS_MAX_FDS + 1, &fds))
    return NULL;
  union control control;
  struct iovec part = {.iov_base = into, .iov_len = length};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
  fds[0] = 0;
  long got = SYS_RETRY(recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (got < 0) return result(env, got);
  size_t count = received_fds(&message, fds + 1);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    for (size_t i = 0; i < count; i++) close(fds[i + 1]);
    if ((message.msg_flags & MSG_TRUNC) || count == SYS_MAX_FDS) return result(env, -EMSGSIZE);
    fds[0] = -1;
    return result(env, got);
  }
  fds[0] = (int32_t)count;
  return result(env, got);
}

napi_status messages_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"sendMessage", call_send_message},
      {"receiveMessage", call_receive_message},
  };
  return REGISTER(env, exports, table);
}
