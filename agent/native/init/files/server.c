#include "server.h"
#include "../../common/rights.h"
#include <stdio.h>

#define FILE_ROW(name, parts) [FILE_##name] = file_##name,
static file_function *const FUNCTIONS[FILE_count] = {FILE_CALLS(FILE_ROW)};

void answer_bytes(struct server *server, const void *bytes, size_t length) {
  if (length > FILE_DATA) __builtin_trap();
  memcpy(server->data, bytes, length);
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

/* Sends the answers so far. */
static bool send_answers(struct server *server) {
  union rights rights;
  struct iovec part = {.iov_base = server->out, .iov_len = server->out_length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (server->answered >= 0) rights_attach(&message, &rights, &server->answered, 1);
  ssize_t sent;
  do sent = sendmsg(server->socket, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  drop_fd(&server->answered);
  server->out_length = 0;
  return sent >= 0;
}

/* Makes the call of a request whose check had a result. Returns false if its answer, or one before it, can't be sent. */
static bool answer(struct server *server, const struct request *request, int checked) {
  const size_t most = sizeof(struct file_answer) + FILE_DATA;
  if (sizeof server->out - server->out_length < most && !send_answers(server)) return false;
  uint8_t *start = server->out + server->out_length;
  server->data = start + sizeof(struct file_answer);
  server->data_length = 0;
  int64_t result = checked == 0 ? run(server, request) : checked;
  server->failed = result < 0;
  if (server->failed) server->data_length = 0;
  const struct file_answer head = {
      .id = request->id,
      .error = server->failed ? (int32_t)result : 0,
      .value = server->failed ? 0 : result,
      .data_length = (uint32_t)server->data_length,
  };
  memcpy(start, &head, sizeof head);
  server->out_length += sizeof head + server->data_length;
  return server->answered < 0 || send_answers(server);
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
  server->given = count == 1 ? fds[0] : -1;
  bool cut = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0, sent = true;
  for (size_t at = 0, used; sent && at < (size_t)length; at = cut ? (size_t)length : at + used) {
    int checked = request_parse(server->in + at, (size_t)length - at, count, &server->text, &request, &used);
    sent = answer(server, &request, cut ? -EMSGSIZE : checked);
  }
  if (server->out_length > 0) sent = send_answers(server) && sent;
  for (unsigned i = 0; i < count; i++) drop_fd(&fds[i]);
  return sent;
}
