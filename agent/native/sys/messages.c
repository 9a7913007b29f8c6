/* Messages with descriptors over unix sockets (SCM_RIGHTS). */
#include <unistd.h>

#include "sys.h"

/* sendMessage(fd, data: Uint8Array, fds: number[]): bytes sent, without blocking and without SIGPIPE */
static napi_value call_send_message(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *data;
  size_t length, count;
  int fds[RIGHTS_MAX];
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "data", &data, &length) ||
      !arg_fds(&args, "fds", fds, &count))
    return NULL;
  union rights rights;
  struct iovec part = {.iov_base = data, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  rights_attach(&message, &rights, fds, count);
  return result(env, SYS_RETRY(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

/*
 * receiveMessage(fd, into: Uint8Array, fds: Int32Array of 65): bytes received. fds[0] is the number of descriptors,
 * which follow it and then belong to the caller. A message with too many bytes or descriptors is lost: its descriptors
 * are closed and the result is -EMSGSIZE. If this process is out of descriptor numbers, they are closed and fds[0] is
 * -1.
 */
static napi_value call_receive_message(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length;
  int32_t *fds;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length) ||
      !arg_ints(&args, "fds", RIGHTS_MAX + 1, &fds))
    return NULL;
  union rights rights;
  struct iovec part = {.iov_base = into, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof(rights)};
  fds[0] = 0;
  long got = SYS_RETRY(recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
  if (got < 0) return result(env, got);
  size_t count = rights_take(&message, fds + 1);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    for (size_t i = 0; i < count; i++) close(fds[i + 1]);
    if ((message.msg_flags & MSG_TRUNC) || count == RIGHTS_MAX) return result(env, -EMSGSIZE);
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
