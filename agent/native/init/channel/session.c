#include "session.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

/* With less room than that, the agent's bytes wait for the next write. */
enum { USEFUL_BYTES = 4096 };

int session_prepare(struct session *session, channel_dial *dial) {
  uint8_t *rings = mmap(NULL, (size_t)CHANNEL_CONNECTIONS * CHANNEL_WINDOW, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (rings == MAP_FAILED) return -errno;
  for (size_t i = 0; i < CHANNEL_CONNECTIONS; i++) {
    session->connections[i] = (struct connection){.fd = -1, .ring = rings + i * CHANNEL_WINDOW};
  }
  session->dial = dial;
  return 0;
}

static int take_one(struct session *session, const struct frame *frame) {
  struct connection *c = &session->connections[frame->connection];
  if (frame->type != FRAME_OPEN) return connection_take(c, frame);
  if (c->flags & IN_USE) return -EPROTO;
  connection_open(c, session->dial(frame->number));
  if (frame->connection >= session->top) session->top = frame->connection + 1;
  return 0;
}

int session_take(struct session *session) {
  size_t done = 0;
  for (;;) {
    struct frame frame;
    ssize_t length = frame_parse(session->in + done, session->received - done, &frame);
    int result = length > 0 ? take_one(session, &frame) : (int)length;
    if (result < 0) return result;
    if (length == 0) break;
    done += (size_t)length;
  }
  memmove(session->in, session->in + done, session->received - done);
  session->received -= done;
  return 0;
}

bool session_has_room(const struct session *session) {
  return sizeof session->out - session->unsent >= FRAME_HEAD + USEFUL_BYTES;
}

static void read_agent(struct session *session, unsigned id) {
  uint8_t *head = session->out + session->unsent;
  size_t room = sizeof session->out - session->unsent - FRAME_HEAD;
  size_t length = connection_read(&session->connections[id], head + FRAME_HEAD, room);
  if (length == 0) return;
  frame_head(head, FRAME_DATA, id, length);
  session->unsent += FRAME_HEAD + length;
}

/* What is due to the host comes first: OPENED before the first DATA. */
static void put_due(struct session *session, unsigned id) {
  session->unsent += connection_due(&session->connections[id], id, session->out + session->unsent,
                                    sizeof session->out - session->unsent);
}

void session_event(struct session *session, unsigned id, short events) {
  struct connection *c = &session->connections[id];
  if (events & POLLOUT) connection_deliver(c);
  put_due(session, id);
  if ((events & (POLLIN | POLLHUP | POLLERR)) && session_has_room(session)) read_agent(session, id);
  if ((events & POLLHUP) && (c->flags & AGENT_ENDED)) connection_gone(c);
}

void session_fill(struct session *session) {
  for (unsigned id = 0; id < session->top; id++) put_due(session, id);
  while (session->top > 0 && session->connections[session->top - 1].flags == 0) session->top--;
}

void session_end(struct session *session) {
  for (unsigned id = 0; id < session->top; id++) {
    connection_gone(&session->connections[id]);
    session->connections[id].flags = 0;
  }
  session->top = session->turn = 0;
  session->received = session->unsent = session->sent = 0;
}
