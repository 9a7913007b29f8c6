#include "link.h"
#include "adopt.h"
#include "launch.h"
#include "power.h"
#include "watch.h"
#include <errno.h>
#include <poll.h>

enum greeting { PROCESSES, DEPOSITS, GREETED };

static struct link {
  int socket;
  enum greeting greeting;
  unsigned next; /* index of the next entry to greet with */
  bool full;
  uint64_t generation, exec_us, start_us;
} agent = {.socket = -1};

void link_open(int socket, uint64_t generation, uint64_t exec_us, const struct origin *origin) {
  agent = (struct link){.socket = socket, .greeting = PROCESSES, .generation = generation, .exec_us = exec_us};
  agent.start_us = origin->start_us;
}

void link_close(void) {
  launch_settle();
  drop_fd(&agent.socket);
}

int link_socket(void) { return agent.socket; }
short link_events(void) { return agent.full ? POLLOUT : POLLIN; }

/* Returns false if the socket is full. On any other failure the agent is gone, which the next read reports. */
static bool send_reply(struct reply *reply) {
  agent.full = reply_send(reply, agent.socket) == -EAGAIN;
  return !agent.full;
}

static void put_ending(struct reply *reply, const struct ending *ending) {
  reply_u32(reply, (uint32_t)ending->status);
  reply_u64(reply, ending->user_us);
  reply_u64(reply, ending->system_us);
  reply_u64(reply, ending->maxrss_kib);
}

static bool send_process(struct process *process) {
  struct reply reply;
  uint32_t open = 0;
  reply_begin(&reply, PROCESS, process->id);
  reply_u32(&reply, (uint32_t)process->pid);
  reply_u32(&reply, process_is(process, IS_ENDED));
  put_ending(&reply, &process->ending);
  reply_fd(&reply, process->pidfd);
  for (unsigned role = 0; role < ROLES; role++) {
    if (process->kept[role] >= 0) open |= 1u << role;
    reply_fd(&reply, process->kept[role]);
  }
  reply_u32(&reply, open);
  reply_u32(&reply, process->label_length);
  reply_bytes(&reply, table_label(process), process->label_length);
  if (!send_reply(&reply)) return false;
  if (process->state == PROCESS_ENDED) table_change(process, PROCESS_ENDED_REPORTED);
  return true;
}

static bool send_deposit(const struct deposit *deposit) {
  struct reply reply;
  reply_begin(&reply, KEPT, 0);
  reply_bytes(&reply, deposit->name, deposit->length);
  reply_fd(&reply, deposit->fd);
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

/* Continues the greeting where the socket was full. Returns false if it is full again. */
static bool greet(void) {
  for (; agent.greeting == PROCESSES && agent.next < table_top(); agent.next++) {
    struct process *process = table_at(agent.next);
    if (process_is(process, IS_KNOWN) && !send_process(process)) return false;
  }
  if (agent.greeting == PROCESSES) agent.greeting = DEPOSITS, agent.next = 0;
  for (; agent.greeting == DEPOSITS && agent.next < deposits_top(); agent.next++) {
    const struct deposit *deposit = deposit_at(agent.next);
    if (deposit->used && !send_deposit(deposit)) return false;
  }
  if (agent.greeting == DEPOSITS && !send_ready()) return false;
  agent.greeting = GREETED;
  return true;
}

void link_flush(void) {
  if (agent.socket < 0 || !greet()) return;
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    struct reply reply;
    if (process->state == PROCESS_FORKED || process->state == PROCESS_ENDED_UNKNOWN) {
      launch_reply(&reply, process->id, 0, WHERE_OK, 0, process);
      if (!send_reply(&reply)) return;
      table_answered(process);
    }
    if (process->state != PROCESS_ENDED) continue;
    reply_begin(&reply, EXITED, process->id);
    put_ending(&reply, &process->ending);
    if (!send_reply(&reply)) return;
    table_change(process, PROCESS_ENDED_REPORTED);
  }
}

/* Closing the release also closes the report: a released process has nothing more to report to a later agent. */
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
  launch_forget(process);
  return 0;
}

static int keep(const struct request *request, int *fd) {
  int result = deposit_keep(request->name.bytes, request->name.length, *fd);
  if (result == 0) *fd = -1;
  return result;
}

static int run_request(const struct request *request, int *fds) {
  switch (request->type) {
  case FORGET: return forget(request->id);
  case CLOSE: return close_role(request->id, request->role);
  case KEEP: return keep(request, &fds[0]);
  case DROP: return deposit_drop(request->name.bytes, request->name.length);
  case HEARTBEAT:
    watch_heard(request->limit_ms);
    return 0;
  default: return power(request->reboot != 0);
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

/* Tells the end of the connection from an empty message. */
static bool hung_up(void) {
  struct pollfd socket = {.fd = agent.socket};
  return poll(&socket, 1, 0) == 1 && (socket.revents & POLLHUP) != 0;
}

/* Handles one request. Returns 1, 0 if there is none, or -1 if the agent is gone. */
static int read_one(const struct origin *origin) {
  uint8_t bytes[MAX_MESSAGE];
  union rights rights;
  int fds[RIGHTS_MAX];
  struct request request;
  struct iovec part = {.iov_base = bytes, .iov_len = sizeof bytes};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = sizeof rights};
  ssize_t length = recvmsg(agent.socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  /* The kernel reports ECONNRESET once if the agent ended with unread messages; its own can still be read. */
  if (length < 0) return errno == ECONNRESET ? 1 : errno == EAGAIN || errno == EINTR ? 0 : -1;
  unsigned count = (unsigned)rights_take(&message, fds);
  if (length == 0 && count == 0 && hung_up()) return -1;
  int error = message_parse(bytes, (size_t)length, count, &request);
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) error = -EMSGSIZE;
  answer(&request, error, fds, origin);
  for (unsigned i = 0; i < count; i++) drop_fd(&fds[i]);
  return 1;
}

/* True if one more reply fits. A request is read only if its answer can be sent. */
static bool writable(void) {
  struct pollfd socket = {.fd = agent.socket, .events = POLLOUT};
  agent.full = poll(&socket, 1, 0) != 1 || (socket.revents & (POLLOUT | POLLHUP | POLLERR)) == 0;
  return !agent.full;
}

bool link_read(const struct origin *origin) {
  enum { BATCH = 32 }; /* then init attends to children and timers */
  for (unsigned i = 0; i < BATCH && agent.greeting == GREETED && writable(); i++) {
    int result = read_one(origin);
    if (result <= 0) return result == 0;
  }
  return true;
}

void link_drain(const struct origin *origin) {
  enum { BATCHES = 64 }; /* more than a socket holds */
  for (unsigned i = 0; i < BATCHES && agent.socket >= 0 && link_read(origin); i++) continue;
}
