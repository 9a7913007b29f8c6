/* vsock and unix sockets. All are close-on-exec, and non-blocking unless noted. */
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "sys.h"

static napi_value stream_socket(napi_env env, napi_callback_info info, int family) {
  struct args args;
  if (!args_begin(&args, env, info, 0)) return NULL;
  return result(env, SYS_RETRY(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
}

/* vsockSocket() */
static napi_value call_vsock_socket(napi_env env, napi_callback_info info) {
  return stream_socket(env, info, AF_VSOCK);
}

/* unixSocket() */
static napi_value call_unix_socket(napi_env env, napi_callback_info info) { return stream_socket(env, info, AF_UNIX); }

/* socketPair(out: Int32Array, kind: 0 stream, 1 seqpacket): two connected unix sockets, blocking */
static napi_value call_socket_pair(napi_env env, napi_callback_info info) {
  struct args args;
  int32_t *out;
  int64_t kind;
  if (!args_begin(&args, env, info, 2) || !arg_ints(&args, "out", 2, &out) || !arg_int(&args, "kind", 0, 1, &kind))
    return NULL;
  int ends[2];
  if (socketpair(AF_UNIX, (kind == 1 ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0, ends) < 0)
    return result(env, -errno);
  out[0] = ends[0];
  out[1] = ends[1];
  return result(env, 0);
}

static bool take_vsock(struct args *args, napi_env env, napi_callback_info info, int *fd, struct sockaddr_vm *address) {
  int64_t cid, port;
  if (!args_begin(args, env, info, 3) || !arg_fd(args, "fd", fd) || !arg_int(args, "cid", 0, UINT32_MAX, &cid) ||
      !arg_int(args, "port", 0, UINT32_MAX, &port))
    return false;
  *address = (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = (uint32_t)cid, .svm_port = (uint32_t)port};
  return true;
}

/* bindVsock(fd, cid, port): 0xffffffff is any cid or port */
static napi_value call_bind_vsock(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct sockaddr_vm address;
  if (!take_vsock(&args, env, info, &fd, &address)) return NULL;
  return result(env, SYS_RETRY(bind(fd, (struct sockaddr *)&address, sizeof(address))));
}

/* connectVsock(fd, cid, port): usually -EINPROGRESS; once writable, socketError has the result */
static napi_value call_connect_vsock(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct sockaddr_vm address;
  if (!take_vsock(&args, env, info, &fd, &address)) return NULL;
  return result(env, SYS_RETRY(connect(fd, (struct sockaddr *)&address, sizeof(address))));
}

/* Reads a descriptor and a path, or an abstract name that starts with @. */
static bool take_unix(napi_env env, napi_callback_info info, int *fd, struct sockaddr_un *address, socklen_t *size) {
  struct args args;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", fd) ||
      !arg_string(&args, "path", address->sun_path, sizeof(address->sun_path)))
    return false;
  size_t length = strlen(address->sun_path);
  if (length < 2) return type_error(env, "path", "a path or @ and a name");
  bool abstract = address->sun_path[0] == '@';
  if (abstract) address->sun_path[0] = '\0';
  *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
  return true;
}

/* bindUnix(fd, path) */
static napi_value call_bind_unix(napi_env env, napi_callback_info info) {
  int fd;
  struct sockaddr_un address;
  socklen_t size;
  if (!take_unix(env, info, &fd, &address, &size)) return NULL;
  return result(env, SYS_RETRY(bind(fd, (struct sockaddr *)&address, size)));
}

struct unix_work {
  struct work work;
  int fd; /* a copy, owned */
  struct sockaddr_un address;
  socklen_t size;
};

static int64_t run_connect(struct work *work) {
  struct unix_work *w = (struct unix_work *)work;
  struct sockaddr *address = (struct sockaddr *)&w->address;
  int64_t status = SYS_RETRY(connect(w->fd, address, w->size));
  close(w->fd);
  return status;
}

/*
 * connectUnix(fd, path): promise, as a container's file system may block; -EAGAIN if the listener's backlog is full. Works
 * on a copy of the socket, as the caller may close its own meanwhile.
 */
static napi_value call_connect_unix(napi_env env, napi_callback_info info) {
  struct unix_work *w = work_new(env, sizeof(*w));
  int fd;
  if (w == NULL) return NULL;
  if (!take_unix(env, info, &fd, &w->address, &w->size)) {
    free(w);
    return NULL;
  }
  w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (w->fd < 0) {
    napi_deferred deferred;
    napi_value promise;
    int error = errno;
    free(w);
    if (napi_create_promise(env, &deferred, &promise) != napi_ok) return NULL;
    napi_resolve_deferred(env, deferred, result(env, -error));
    return promise;
  }
  int copy = w->fd;
  napi_value promise = work_start(env, &w->work, run_connect);
  if (promise == NULL) close(copy);
  return promise;
}

/* listen(fd, backlog) */
static napi_value call_listen(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int64_t backlog;
  if (!args_begin(&args, env, info, 2) || !arg_fd(&args, "fd", &fd) || !arg_int(&args, "backlog", 1, 65535, &backlog))
    return NULL;
  return result(env, SYS_RETRY(listen(fd, (int)backlog)));
}

/* accept(fd) */
static napi_value call_accept(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

/* endConnection(fd): shuts down both directions, for all copies of the descriptor */
static napi_value call_end_connection(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  return result(env, SYS_RETRY(shutdown(fd, SHUT_RDWR)));
}

/* socketError(fd): result of a connection attempt, 0 or -errno */
static napi_value call_socket_error(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  int pending = 0;
  socklen_t size = sizeof(pending);
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  long status = SYS_RETRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &size));
  return result(env, status < 0 ? status : -pending);
}

typedef int name_call(int, struct sockaddr *restrict, socklen_t *restrict);

static int64_t vsock_name(int fd, name_call *call, struct sockaddr_vm *address) {
  socklen_t size = sizeof(*address);
  *address = (struct sockaddr_vm){0};
  long status = SYS_RETRY(call(fd, (struct sockaddr *)address, &size));
  return status == 0 && address->svm_family != AF_VSOCK ? -EAFNOSUPPORT : status;
}

/* peerCid(fd) */
static napi_value call_peer_cid(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct sockaddr_vm address;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  int64_t status = vsock_name(fd, getpeername, &address);
  return result(env, status < 0 ? status : (int64_t)address.svm_cid);
}

/* peerPort(fd): of a vsock connection */
static napi_value call_peer_port(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct sockaddr_vm address;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  int64_t status = vsock_name(fd, getpeername, &address);
  return result(env, status < 0 ? status : (int64_t)address.svm_port);
}

/* localPort(fd): of a vsock socket, such as one bound to any port */
static napi_value call_local_port(napi_env env, napi_callback_info info) {
  struct args args;
  int fd;
  struct sockaddr_vm address;
  if (!args_begin(&args, env, info, 1) || !arg_fd(&args, "fd", &fd)) return NULL;
  int64_t status = vsock_name(fd, getsockname, &address);
  return result(env, status < 0 ? status : (int64_t)address.svm_port);
}

napi_status sockets_register(napi_env env, napi_value exports) {
  static const struct function table[] = {
      {"vsockSocket", call_vsock_socket},
      {"unixSocket", call_unix_socket},
      {"socketPair", call_socket_pair},
      {"bindVsock", call_bind_vsock},
      {"connectVsock", call_connect_vsock},
      {"bindUnix", call_bind_unix},
      {"connectUnix", call_connect_unix},
      {"listen", call_listen},
      {"accept", call_accept},
      {"endConnection", call_end_connection},
      {"socketError", call_socket_error},
      {"peerCid", call_peer_cid},
      {"peerPort", call_peer_port},
      {"localPort", call_local_port},
  };
  return REGISTER(env, exports, table);
}
