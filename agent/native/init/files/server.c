#include "server.h"
#include "../../common/rights.h"
#include <stdio.h>

#define FILE_ROW(name, parts) [FILE_##name] = file_##name,
static file_function *const FUNCTIONS[FILE_count] = {FILE_CALLS(FILE_ROW)};

void answer_bytes(struct server *server, const void *bytes, size_t length) {
  if (length > sizeof server->out.data) __builtin_trap();
  memcpy(server->out.data, bytes, length);
  server->data_length = length;
}

void link_name(char name[LINK_BYTES], int fd) { snprintf(name, LINK_BYTES, "%d", fd); }

static int64_t run(struct server *server, const struct request *request) {
  if (request->linked && server->failed) return -ECANCELED;
  bool opens = request_has(request->call, 'f');
  if (server->handles[request->handle] < 0) return -EBADF;
  if (request_has(request->call, 'o') && server->handles[request->other] < 0) return -EBADF;
  if (opens && server->handles[request->other] >= 0) return -EEXIST;
  return FUNCTIONS[request->call](server, request);
}

static bool answer(struct server *server, uint32_t id, int64_t result) {
  union rights rights;
  server->out.head = (struct file_answer){.id = id};
  if (result < 0) server->out.head.error = (int32_t)result;
  else server->out.head.value = result;
  size_t length = sizeof server->out.head + (result < 0 ? 0 : server->data_length);
  struct iovec part = {.iov_base = &server->out, .iov_len = length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (server->answered >= 0) rights_attach(&message, &rights, &server->answered, 1);
  ssize_t sent;
  do sent = sendmsg(server->socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  drop_fd(&server->answered);
  return sent >= 0;
}

bool server_turn(struct server *server) {
  union rights rights;
  int fds[RIGHTS_MAX];
  struct request request;
  struct iovec part = {.iov_base = server->in, .iov_len = sizeof server->in};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  ssize_t length;
  do length = recvmsg(server->socket, &message, MSG_CMSG_CLOEXEC);
  while (length < 0 && errno == EINTR);
  if (length <= 0) return false;
  unsigned count = (unsigned)rights_take(&message, fds);
  int result = request_parse(server->in, (size_t)length, count, &server->text, &request);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) result = -EMSGSIZE;
  server->data_length = 0;
  server->given = count == 1 ? fds[0] : -1;
  int64_t answered = result == 0 ? run(server, &request) : result;
  server->failed = answered < 0;
  bool sent = answer(server, request.id, answered);
  for (unsigned i = 0; i < count; i++) drop_fd(&fds[i]);
  return sent;
}
