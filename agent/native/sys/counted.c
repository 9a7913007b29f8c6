/*
 * Receiving and sending on stream sockets with a count that the kernel itself stores in the caller's memory before the
 * call returns. If that memory outlives the process, the successor of a killed process knows how many bytes were
 * transferred.
 */
#include <sys/socket.h>

#include "sys.h"

/* A struct mmsghdr, followed by the bytes. */
struct region {
  struct mmsghdr header;
  uint8_t bytes[];
};

/* Reads both arguments, and sets up the region's header for one buffer with all the bytes. */
static bool take(struct args *args, int *fd, struct iovec *part, struct region **region) {
  uint8_t *memory;
  size_t size;
  if (!arg_fd(args, "fd", fd) || !arg_bytes(args, "region", &memory, &size)) return false;
  if (size < sizeof(**region) || (uintptr_t)memory % _Alignof(struct region) != 0)
    return type_error(args->env, "region", "an aligned struct mmsghdr and the bytes behind it");
  *region = (struct region *)(void *)memory;
  *part = (struct iovec){.iov_base = (*region)->bytes, .iov_len = size - sizeof(**region)};
  (*region)->header.msg_hdr = (struct msghdr){.msg_iov = part, .msg_iovlen = 1};
  return true;
}

static napi_value counted(napi_env env, struct region *region, long status) {
  if (status < 0) region->header.msg_len = 0;
  return result(env, status < 0 ? status : (int64_t)region->header.msg_len);
}

/* receive(fd, region: Uint8Array): bytes received; 0 at the end of the stream */
static napi_value call_receive(napi_env env, napi_callback_info info) {
  struct args args;
  struct iovec part;
  struct region *region;
  int fd;
  if (!args_begin(&args, env, info, 2) || !take(&args, &fd, &part, &region)) return NULL;
  long status = SYS_RETRY(recvmmsg(fd, &region->header, 1, MSG_DONTWAIT, NULL));
  /* Unlike read(2), it reports an error of the socket once before it returns the bytes that came earlier. */
  if (status == -ECONNRESET) status = SYS_RETRY(recvmmsg(fd, &region->header, 1, MSG_DONTWAIT, NULL));
  return counted(env, region, status);
}

/* send(fd, region: Uint8Array, length): sends up to `length` of its bytes without SIGPIPE */
static napi_value call_send(napi_env env, napi_callback_info info) {
  struct args args;
  struct iovec part;
  struct region *region;
  int64_t length;
  int fd;
  if (!args_begin(&args, env, info, 3) || !take(&args, &fd, &part, &region) ||
      !arg_int(&args, "length", 0, (int64_t)part.iov_len, &length))
    return NULL;
  part.iov_len = (size_t)length;
  return counted(env, region, SYS_RETRY(sendmmsg(fd, &region->header, 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

napi_status counted_register(napi_env env, napi_value exports) {
  static const struct function table[] = {{"receive", call_receive}, {"send", call_send}};
  return REGISTER(env, exports, table);
}
