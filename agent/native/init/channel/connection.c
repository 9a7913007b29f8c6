#include "connection.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* CREDIT is sent for so many bytes at a time. Above KEPT_BYTES a ring that is empty gives its memory back. */
enum { GRANT_BYTES = CHANNEL_WINDOW / 4, KEPT_BYTES = 16384 };

void connection_open(struct connection *c, int fd) {
  *c = (struct connection){.fd = fd, .ring = c->ring, .credit = CHANNEL_WINDOW, .allowed = CHANNEL_WINDOW};
  c->flags = IN_USE | (fd >= 0 ? DUE_OPENED : DUE_CLOSE);
}

void connection_gone(struct connection *c) {
  drop_fd(&c->fd);
  c->waiting = 0;
  c->flags &= ~(unsigned)DUE_END;
  if (!(c->flags & CLOSED)) c->flags |= DUE_CLOSE;
}

static void empty_ring(struct connection *c) {
  if (c->touched > KEPT_BYTES) madvise(c->ring, CHANNEL_WINDOW, MADV_DONTNEED);
  c->start = c->waiting = c->touched = 0;
}

/* Returns how many bytes the agent took. */
static size_t hand_over(struct connection *c, const uint8_t *bytes, size_t length) {
  ssize_t sent;
  do sent = send(c->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) c->flags |= AGENT_DEAF;
  if (sent <= 0) return 0;
  c->delivered += (uint32_t)sent;
  return (size_t)sent;
}

/* Does what the host sent after its last byte, once the agent has that. */
static void settle(struct connection *c) {
  if (c->waiting > 0 || c->fd < 0) return;
  if (c->flags & HOST_CLOSED) connection_gone(c);
  else if (c->flags & HOST_ENDED)
    shutdown(c->fd, SHUT_WR);
}

void connection_deliver(struct connection *c) {
  if (c->fd < 0 || c->waiting == 0) return;
  while (c->waiting > 0) {
    uint32_t whole = CHANNEL_WINDOW - c->start, part = c->waiting < whole ? c->waiting : whole;
    uint32_t taken = (uint32_t)hand_over(c, c->ring + c->start, part);
    c->start = (c->start + taken) % CHANNEL_WINDOW;
    c->waiting -= taken;
    if (c->flags & AGENT_DEAF) c->waiting = 0;
    else if (taken < part)
      return;
  }
  empty_ring(c);
  settle(c);
}

static void keep(struct connection *c, const uint8_t *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    uint32_t at = (c->start + c->waiting) % CHANNEL_WINDOW;
    size_t part = length - done < CHANNEL_WINDOW - at ? length - done : CHANNEL_WINDOW - at;
    memcpy(c->ring + at, bytes + done, part);
    if (at + part > c->touched) c->touched = (uint32_t)(at + part);
    c->waiting += (uint32_t)part;
    done += part;
  }
}

static int take_data(struct connection *c, const uint8_t *bytes, size_t length) {
  if ((c->flags & HOST_ENDED) || length > c->allowed) return -EPROTO;
  c->allowed -= (uint32_t)length;
  if (c->fd < 0) return 0;
  if (c->flags & AGENT_DEAF) {
    c->delivered += (uint32_t)length; /* the host need not wait for it */
    return 0;
  }
  size_t taken = c->waiting == 0 ? hand_over(c, bytes, length) : 0;
  if (taken < length && !(c->flags & AGENT_DEAF)) keep(c, bytes + taken, length - taken);
  return 0;
}

int connection_take(struct connection *c, const struct frame *frame) {
  if (!(c->flags & IN_USE) || (c->flags & HOST_CLOSED)) return -EPROTO;
  if (frame->type == FRAME_DATA) return take_data(c, frame->payload, frame->length);
  if (frame->type == FRAME_CREDIT) {
    if (frame->number > CHANNEL_WINDOW - c->credit) return -EPROTO;
    c->credit += frame->number;
    return 0;
  }
  if (frame->type == FRAME_END && (c->flags & HOST_ENDED)) return -EPROTO;
  c->flags |= HOST_ENDED;
  if (frame->type == FRAME_CLOSE) {
    c->flags |= HOST_CLOSED;
    if (c->fd >= 0) shutdown(c->fd, SHUT_RD); /* the agent's next write fails */
    if (c->flags & CLOSED) c->flags = 0;
  }
  settle(c);
  return 0;
}

size_t connection_read(struct connection *c, uint8_t *into, size_t size) {
  ssize_t length;
  if (size > c->credit) size = c->credit;
  if (c->fd < 0 || size == 0 || (c->flags & (AGENT_ENDED | HOST_CLOSED))) return 0;
  do length = recv(c->fd, into, size, MSG_DONTWAIT);
  while (length < 0 && errno == EINTR);
  if (length > 0) {
    c->credit -= (uint32_t)length;
    return (size_t)length;
  }
  if (length == 0) c->flags |= AGENT_ENDED | DUE_END;
  else if (errno != EAGAIN)
    connection_gone(c);
  return 0;
}

int connection_events(const struct connection *c, bool room) {
  if (c->fd < 0) return -1;
  bool reads = room && c->credit > 0 && !(c->flags & (AGENT_ENDED | HOST_CLOSED));
  bool writes = c->waiting > 0;
  if (!reads && !writes && !(c->flags & AGENT_ENDED)) return -1;
  return (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
}

size_t connection_due(struct connection *c, uint32_t id, uint8_t *into, size_t size) {
  static const struct {
    unsigned flag;
    enum frame_type type;
  } DUE[] = {{DUE_OPENED, FRAME_OPENED}, {DUE_END, FRAME_END}, {DUE_CLOSE, FRAME_CLOSE}};
  size_t used = 0;
  if (c->delivered >= GRANT_BYTES && c->fd >= 0 && size >= FRAME_HEAD + FRAME_NUMBER) {
    used = frame_number(into, FRAME_CREDIT, id, c->delivered);
    c->allowed += c->delivered;
    c->delivered = 0;
  }
  for (unsigned i = 0; i < sizeof DUE / sizeof *DUE; i++) {
    if (!(c->flags & DUE[i].flag)) continue;
    if (size - used < FRAME_HEAD) return used;
    used += frame_empty(into + used, DUE[i].type, id);
    c->flags &= ~DUE[i].flag;
    if (DUE[i].type == FRAME_CLOSE) c->flags = c->flags & HOST_CLOSED ? 0 : c->flags | CLOSED;
  }
  return used;
}
