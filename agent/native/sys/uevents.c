/* The kernel's events about devices that are added and removed (NETLINK_KOBJECT_UEVENT). */
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

/* Group 1 has the kernel's own messages; group 2 has those that udev sends. */
enum { KERNEL_GROUP = 1, RECEIVE_BUFFER = 1 << 20 };

/* ueventSocket(): non-blocking; receives all events of this network namespace from now on */
static napi_value call_uevent_socket(napi_env env, napi_callback_info info) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
  if (fd < 0) return result(env, -errno);
  int size = RECEIVE_BUFFER;
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)); /* the default is enough for most */
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
  if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0) return result(env, fd);
  long status = -errno;
  close(fd);
  return result(env, status);
}

/*
 * receiveUevent(fd, into: Uint8Array): bytes of the next message; 0 if it was not sent by the kernel or does not fit,
 * and is dropped; -ENOBUFS if the kernel has dropped messages.
 */
static napi_value call_receive_uevent(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *into;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &into, &length))
    return NULL;
  struct sockaddr_nl sender = {0};
  struct iovec part = {.iov_base = into, .iov_len = length};
  struct msghdr message = {.msg_name = &sender, .msg_namelen = sizeof(sender), .msg_iov = &part, .msg_iovlen = 1};
  long got = SYS_RETRY(recvmsg(fd, &message, MSG_DONTWAIT));
  if (got < 0) return result(env, got);
  bool kernel = message.msg_namelen == sizeof(sender) && sender.nl_family == AF_NETLINK && sender.nl_pid == 0;
  return result(env, kernel && !(message.msg_flags & MSG_TRUNC) ? got : 0);
}

napi_status uevents_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"ueventSocket", call_uevent_socket},
      {"receiveUevent", call_receive_uevent},
  };
  return REGISTER(env, exports, table);
}
