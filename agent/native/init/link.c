#include "link.h"
#include "adopt.h"
#include "launch.h"
#include "message.h"
#include "power.h"
#include "table.h"
#include "watch.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum greeting { PROCESSES, DEPOSITS, GREETED };

static struct {
  int socket;
  enum greeting greeting;
  unsigned next; /* entry of the table that the greeting has come to */
  bool full;
  uint64_t generation, exec_us, start_us;
} agent = {.socket = -1};

void link_open(int socket, uint64_t generation, uint64_t exec_us, const struct origin *origin) {
  agent.socket = socket;
  agent.greeting = PROCESSES;
  agent.next = 0;
  agent.full = false;
  agent.generation = generation;
  agent.exec_us = exec_us;
  agent.start_us = origin->start_us;
}

void link_close(void) {
  launch_settle();
  drop_fd(&agent.socket);
}
int link_socket(void) { return agent.socket; }
short link_events(void) { return agent.full ? POLLOUT : POLLIN; }

/* False when the socket is full; any other failure means that the agent is gone, which the next read tells. */
static bool send_reply(struct reply *reply) {
  agent.full = reply_send(reply, agent.socket) == -EAGAIN;
  return !agent.full;
}

static void put_exit(struct reply *reply, const struct process *process) {
  reply_u32(reply, (uint32_t)process->status);
  reply_u64(reply, process->user_us);
  reply_u64(reply, process->system_us);
  reply_u64(reply, process->maxrss_kib);
}

static bool send_process(struct process *process) {
  struct reply reply;
  uint32_t open = 0;
  reply_begin(&reply, PROCESS, process->id);
  reply_u32(&reply, (uint32_t)process->pid);
  reply_u32(&reply, process->exited);
  put_exit(&reply, process);
  reply.fds[reply.fd_count++] = process->pidfd;
  for (unsigned role = 0; role < ROLES; role++) {
    if (process->kept[role] < 0) continue;
    open |= 1u << role;
    reply.fds[reply.fd_count++] = process->kept[role];
  }
  reply_u32(&reply, open);
  reply_u32(&reply, process->label_length);
  reply_bytes(&reply, table_label(process), process->label_length);
  if (!send_reply(&reply)) return false;
  process->owed = false; /* an exit from now on is news */
  return true;
}

static bool send_deposit(const struct deposit *deposit) {
  struct reply reply;
  reply_begin(&reply, KEPT, 0);
  reply_bytes(&reply, deposit->name, deposit->length);
  reply.fds[reply.fd_count++] = deposit->fd;
  return send_reply(&reply);
}

static bool send_ready(void) {
  struct reply reply;
  reply_begin(&reply, READY, 0);
  reply_u64(&reply, agent.generation);
  reply_u64(&reply, agent.start_us);
  reply_u64(&reply, agent.exec_us);
  return send_reply(&reply);
}

static bool greet(void) {
  for (; agent.greeting == PROCESSES; agent.next++) {
    if (agent.next >= table_top()) {
      agent.greeting = DEPOSITS;
      agent.next = 0;
      break;
    }
    struct process *process = table_at(agent.next);
    if (process->used && !process->forgotten && !send_process(process)) return false;
  }
  for (; agent.greeting == DEPOSITS; agent.next++) {
    if (agent.next >= deposits_top()) {
      if (!send_ready()) return false;
      agent.greeting = GREETED;
      break;
    }
    const struct deposit *deposit = deposit_at(agent.next);
    if (deposit->used && !send_deposit(deposit)) return false;
  }
  return true;
}

void link_flush(void) {
  if (agent.socket < 0 || !greet()) return;
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    struct reply reply;
    if (!process->used || process->forgotten) continue;
    if (process->unanswered && !process->forking) {
      launch_reply(&reply, process->id, 0, WHERE_OK, 0, process);
      if (!send_reply(&reply)) return;
      process->unanswered = false;
    }
    if (!process->owed) continue;
    reply_begin(&reply, EXITED, process->id);
    put_exit(&reply, process);
    if (!send_reply(&reply)) return;
    process->owed = false;
  }
}

/* A process that is released has nothing more to report to a later agent. */
static int close_role(uint64_t id, uint32_t role) {
  struct process *process = table_by_id(id);
  if (process == NULL) return -ENOENT;
  if (process->kept[role] < 0) return -EBADF;
  drop_fd(&process->kept[role]);
  if (role == ROLE_RELEASE) drop_fd(&process->kept[ROLE_REPORT]);
  return 0;
}

static int forget(uint64_t id) {
  struct process *process = table_by_id(id);
  if (process == NULL) return -ENOENT;
  launch_give_up(process);
  table_forget(process);
  return 0;
}

static int keep(const struct request *request, int *fd) {
  int result = deposit_keep(request->name.bytes, request->name.length, *fd);
  if (result == 0) *fd = -1;
  return result;
}

static int run_request(const struct request *request, int *fds) {
  switch (request->type) {
  case FORGET:
    return forget(request->id);
  case CLOSE:
    return close_role(request->id, request->role);
  case KEEP:
    return keep(request, &fds[0]);
  case DROP:
    return deposit_drop(request->name.bytes, request->name.length);
  case HEARTBEAT:
    watch_heard(request->limit_ms);
    return 0;
  default:
    return power(request->reboot != 0);
  }
}

static void answer(const struct request *request, int error, int *fds, const struct origin *origin) {
  struct reply reply;
  if (request->type == LAUNCH || request->type == ADOPT) {
    if (error != 0)
      launch_reply(&reply, request->id, error, WHERE_MESSAGE, 0, NULL);
    else if (request->type == LAUNCH) {
      if (!launch(request, fds, origin, &reply)) return;
    } else
      adopt(request, fds, &reply);
  } else {
    if (error == 0) error = run_request(request, fds);
    if (error == 0) return;
    reply_begin(&reply, REFUSED, request->id);
    reply_u32(&reply, request->type);
    reply_u32(&reply, (uint32_t)error);
  }
  send_reply(&reply);
}

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

static unsigned take_fds(struct msghdr *message, int fds[MAX_FDS]) {
  unsigned count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    unsigned more = (unsigned)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    if (more > MAX_FDS - count) break;
    memcpy(fds + count, CMSG_DATA(part), more * sizeof(int));
    count += more;
  }
  return count;
}

/* An end of file, as against an empty message. */
static bool hung_up(void) {
  struct pollfd socket = {.fd = agent.socket};
  return poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP) != 0;
}

/* One request. 1: handled, 0: none there, -1: the agent is gone. */
static int read_one(const struct origin *origin) {
  uint8_t bytes[MAX_MESSAGE];
  union control control;
  int fds[MAX_FDS];
  struct request request;
  struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(agent.socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* ECONNRESET, once: the agent ended with messages unread. What it had sent is still there. */
  if (length < 0) return errno == ECONNRESET ? 1 : errno == EAGAIN || errno == EINTR ? 0 : -1;
  unsigned count = take_fds(&message, fds);
  if (length == 0 && count == 0 && hung_up()) return -1;
  int error = message_parse(bytes, (size_t)length, count, &request);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) error = -EMSGSIZE;
  answer(&request, error, fds, origin);
  for (unsigned i = 0; i < count; i++) drop_fd(&fds[i]);
  return 1;
}

/* Room for one more reply; what is not sure of an answer is not read. */
static bool writable(void) {
  struct pollfd poll_socket = {.fd = agent.socket, .events = POLLOUT};
  agent.full = poll(&poll_socket, 1, 0) != 1 || (poll_socket.revents & (POLLOUT | POLLHUP | POLLERR)) == 0;
  return !agent.full;
}

bool link_read(const struct origin *origin) {
  enum { BATCH = 32 }; /* then children and timers get their turn */
  for (unsigned i = 0; i < BATCH && agent.greeting == GREETED && writable(); i++) {
    int result = read_one(origin);
    if (result <= 0) return result == 0;
  }
  return true;
}

void link_drain(const struct origin *origin) {
  enum { MOST = 64 }; /* batches: more than a socket holds */
  for (unsigned i = 0; i < MOST && agent.socket >= 0 && link_read(origin); i++) continue;
}
