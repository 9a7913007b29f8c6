/* Connections of the channel: each is one of the host's, joined to a socket of the agent. */
#pragma once

#include "frame.h"

/* What has happened to a connection, and the frames that are due to the host. */
enum {
  IN_USE = 1,
  AGENT_ENDED = 2, /* its socket has no more bytes */
  AGENT_DEAF = 4,  /* its socket takes no more bytes */
  HOST_ENDED = 8,
  HOST_CLOSED = 16,
  CLOSED = 32, /* CLOSE was sent */
  DUE_OPENED = 64,
  DUE_END = 128,
  DUE_CLOSE = 256,
};

struct connection {
  int fd; /* -1: gone, or refused */
  unsigned flags;
  uint32_t credit;         /* bytes that the host still takes */
  uint32_t allowed;        /* bytes that the host may still send */
  uint32_t delivered;      /* bytes that the agent took since the last CREDIT */
  uint32_t start, waiting; /* bytes in `ring` that the agent has yet to take */
  uint32_t touched;        /* bytes of `ring` that may take memory */
  uint8_t *ring;           /* CHANNEL_WINDOW bytes */
};

/* Begins a connection on a socket, which it owns; -1 refuses it. */
void connection_open(struct connection *c, int fd);
/* Takes a frame other than OPEN. Returns 0, or -EPROTO if the host may not send it now. */
int connection_take(struct connection *c, const struct frame *frame);
/* Hands waiting bytes to the agent, then what came after them. */
void connection_deliver(struct connection *c);
/* Reads up to `size` bytes of the agent into the payload of a DATA frame. Returns their number, or 0. */
size_t connection_read(struct connection *c, uint8_t *into, size_t size);
/* Ends a connection whose agent is gone. */
void connection_gone(struct connection *c);
/* Returns the events to poll its socket for; -1: it isn't polled, as even POLLHUP is of no use now. */
int connection_events(const struct connection *c, bool room);
/* Writes the frames that are due, as far as there is room. Returns their bytes. The connection may be free after it. */
size_t connection_due(struct connection *c, uint32_t id, uint8_t *into, size_t size);
