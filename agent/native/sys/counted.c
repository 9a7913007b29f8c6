/*
 * Receiving and sending whose count the kernel itself writes into memory of the caller before the call returns: where that memory
 * outlives the process, whoever comes after one that was killed in the middle knows how much went. For stream sockets.
 */
#include <sys/socket.h>

#include "sys.h"

/* `header` becomes a struct mmsghdr for one buffer. */
static bool take(struct args *args, napi_env env, napi_callback_info info, int *fd, struct iovec *part,
                 struct mmsghdr **header) {
  uint8_t *bytes, *place;
  size_t size;
  if (!args_begin(args, env, info, 3) || !arg_fd(args, "fd", fd) || !arg_bytes(args, "bytes", &bytes, &part->iov_len) ||
      !arg_bytes(args, "header", &place, &size))
    return false;
  if (size < sizeof(**header) || (uintptr_t)place % _Alignof(struct mmsghdr) != 0)
    return type_error(env, "header", "an aligned struct mmsghdr");
  part->iov_base = bytes;
  *header = (struct mmsghdr *)(void *)place;
  (*header)->msg_hdr = (struct msghdr){.msg_iov = part, .msg_iovlen = 1};
  return true;
}

static napi_value counted(napi_env env, struct mmsghdr *header, long status) {
  if (status < 0) header->msg_len = 0;
  return result(env, status < 0 ? status : (int64_t)header->msg_len);
}

/* receive(fd, into: Uint8Array, header: Uint8Array): 0 is the end */
static napi_value call_receive(napi_env env, napi_callback_info info) {
  struct args args;
  struct iovec part;
  struct mmsghdr *header;
  int fd;
  if (!take(&args, env, info, &fd, &part, &header)) return NULL;
  long status = SYS_RETRY(recvmmsg(fd, header, 1, MSG_DONTWAIT, NULL));
  /* Unlike read(2) it tells of an error of the socket, once, before it gives what had come before. */
  if (status == -ECONNRESET) status = SYS_RETRY(recvmmsg(fd, header, 1, MSG_DONTWAIT, NULL));
  return counted(env, header, status);
}

/* send(fd, from: Uint8Array, header: Uint8Array): never raises SIGPIPE */
static napi_value call_send(napi_env env, napi_callback_info info) {
  struct args args;
  struct iovec part;
  struct mmsghdr *header;
  int fd;
  if (!take(&args, env, info, &fd, &part, &header)) return NULL;
  return counted(env, header, SYS_RETRY(sendmmsg(fd, header, 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

napi_status counted_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"receive", call_receive}, {"send", call_send}};
  return REGISTER(env, exports, table);
}
