/* A session of the channel: from a HELLO until the port closes or the host breaks the rules. */
#pragma once

#include "connection.h"

/* Connects to the agent's listener for a port. Returns the socket, or -1. */
typedef int channel_dial(uint32_t port);

struct session {
  channel_dial *dial;
  unsigned top; /* connections from here on are free */
  unsigned turn;
  size_t received, sent, unsent;
  uint8_t in[FRAME_BYTES], out[FRAME_BYTES];
  struct connection connections[CHANNEL_CONNECTIONS];
};

/* Gives each connection its ring. Returns 0 or -errno. */
int session_prepare(struct session *session, channel_dial *dial);
/* Handles the frames in `in`. Returns 0, or -errno after which the session has to end. */
int session_take(struct session *session);
/* Handles an event on a connection's socket. */
void session_event(struct session *session, unsigned id, short events);
/* True if there is room for a DATA frame of a useful size. */
bool session_has_room(const struct session *session);
/* Puts the due frames of all connections into `out`. */
void session_fill(struct session *session);
/* Ends all connections. */
void session_end(struct session *session);
