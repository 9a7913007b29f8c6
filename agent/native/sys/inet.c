/* Sockets of forwarded connections, in the network namespaces of containers. All are close-on-exec and non-blocking. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

/* How often a thread tries to return to its own namespace: the kernel may be out of memory for a moment. */
#define RETURN_TRIES 100

/* Returns to the network namespace `own`. Aborts if it can't, as everything that follows would be in the wrong one. */
static void return_to(int own) {
  for (int tries = 0; SYS_RETRY(setns(own, CLONE_NEWNET)) < 0; tries++)
    if (tries == RETURN_TRIES) abort();
}

/* socketIn(namespace, family, type): creates a socket in the network namespace of a file or a pidfd. */
static napi_value call_socket_in(napi_env env, napi_callback_info info) {
  struct args args;
  int target;
  int64_t family, type;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "namespace", &target) ||
      !arg_int(&args, "family", 0, AF_MAX, &family) || !arg_int(&args, "type", SOCK_STREAM, SOCK_DGRAM, &type))
    return NULL;
  int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (own < 0) return result(env, -errno);
  int64_t fd = SYS_RETRY(setns(target, CLONE_NEWNET));
  if (fd == 0) {
    fd = SYS_RETRY(socket((int)family, (int)type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return_to(own);
  }
  close(own);
  return result(env, fd);
}

union inet_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Reads an address and a port; sets the size of the structure. */
static bool take_address(struct args *args, union inet_address *address, socklen_t *size) {
  char text[INET6_ADDRSTRLEN];
  int64_t port;
  if (!arg_string(args, "address", text, sizeof(text)) || !arg_int(args, "port", 0, 65535, &port)) return false;
  memset(address, 0, sizeof(*address));
  if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons((uint16_t)port);
    *size = sizeof(address->v4);
    return true;
  }
  if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1) return type_error(args->env, "address", "an IP address");
  address->v6.sin6_family = AF_INET6;
  address->v6.sin6_port = htons((uint16_t)port);
  *size = sizeof(address->v6);
  return true;
}

/* connectInet(fd, address, port): usually -EINPROGRESS; once writable, socketError has the result */
static napi_value call_connect_inet(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  union inet_address address;
  socklen_t size;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !take_address(&args, &address, &size)) return NULL;
  return result(env, SYS_RETRY(connect(fd, &address.any, size)));
}

/* bindInet(fd, address, port): with SO_REUSEADDR; port 0 is any */
static napi_value call_bind_inet(napi_env env, napi_callback_info info) {
  struct args args;
  int fd, on = 1;
  union inet_address address;
  socklen_t size;
  if (!args_begin(&args, env, info, 3) || !arg_fd(&args, "fd", &fd) || !take_address(&args, &address, &size)) return NULL;
  int64_t status = SYS_RETRY(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
  return result(env, status < 0 ? status : SYS_RETRY(bind(fd, &address.any, size)));
}

/* inetPort(fd): of an inet socket's own address */
static napi_value call_inet_port(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  union inet_address address;
  socklen_t size = sizeof(address);
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  int64_t status = SYS_RETRY(getsockname(fd, &address.any, &size));
  if (status < 0) return result(env, status);
  if (address.any.sa_family == AF_INET) return result(env, ntohs(address.v4.sin_port));
  return result(env, address.any.sa_family == AF_INET6 ? ntohs(address.v6.sin6_port) : -EAFNOSUPPORT);
}

/* endWriting(fd): shuts down one direction, for all copies of the descriptor */
static napi_value call_end_writing(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(shutdown(fd, SHUT_WR)));
}

/* resetOnClose(fd): the last close sends a reset instead of an end */
static napi_value call_reset_on_close(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger))));
}

/* peek(fd, into): receives without consuming; never blocks */
static napi_value call_peek(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  uint8_t *data;
  size_t length;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_bytes(&args, "into", &data, &length))
    return NULL;
  return result(env, SYS_RETRY(recv(fd, data, length, MSG_PEEK | MSG_DONTWAIT)));
}

napi_status inet_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"socketIn", call_socket_in},
      {"connectInet", call_connect_inet},
      {"bindInet", call_bind_inet},
      {"inetPort", call_inet_port},
      {"endWriting", call_end_writing},
      {"resetOnClose", call_reset_on_close},
      {"peek", call_peek},
  };
  return REGISTER(env, exports, table);
}
