/*
 * libFuzzer target for the relay of the channel. The input is a list of steps: bytes of the host, what the agent does
 * with its end of a connection, an event on a connection, and the frames that go to the host.
 */
#include "../../agent/native/init/channel/session.h"
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { AGENTS = 32 };

static struct session session;
static int agents[AGENTS];
static unsigned agent_count;

/* Refuses every fourth port, and all beyond a number of descriptors. */
static int dial(uint32_t port) {
  int pair[2];
  if (port % 4 == 0 || agent_count == AGENTS) return -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0) return -1;
  agents[agent_count++] = pair[1];
  return pair[0];
}

static int host_sends(const uint8_t *bytes, size_t length) {
  size_t room = sizeof session.in - session.received;
  if (length > room) length = room;
  memcpy(session.in + session.received, bytes, length);
  session.received += length;
  return session_take(&session);
}

static void agent_acts(unsigned agent, uint8_t action) {
  static uint8_t bytes[70000];
  if (agent >= agent_count || agents[agent] < 0) return;
  if (action % 8 == 0) shutdown(agents[agent], SHUT_WR);
  else if (action % 8 == 1) drop_fd(&agents[agent]);
  else if (action % 8 == 2) shutdown(agents[agent], SHUT_RD);
  else if (action % 2 == 1) {
    while (recv(agents[agent], bytes, sizeof bytes, 0) > 0) continue;
  } else if (send(agents[agent], bytes, (size_t)action * action + 1, MSG_NOSIGNAL) < 0)
    return;
}

/* Every frame to the host is whole, of a type that the guest may send, and of a connection that can exist. */
static void host_takes(void) {
  session_fill(&session);
  if (session.unsent > sizeof session.out) abort();
  for (size_t at = 0; at < session.unsent;) {
    uint16_t length;
    uint32_t connection;
    memcpy(&length, session.out + at + 2, sizeof length);
    memcpy(&connection, session.out + at + 4, sizeof connection);
    if (session.out[at] < FRAME_OPENED || session.out[at] >= FRAME_count || connection >= CHANNEL_CONNECTIONS) abort();
    if (length > FRAME_PAYLOAD || session.unsent - at < FRAME_HEAD + (size_t)length) abort();
    at += FRAME_HEAD + length;
  }
  session.unsent = 0;
}

static void check_windows(void) {
  for (unsigned id = 0; id < session.top; id++) {
    const struct connection *c = &session.connections[id];
    if (c->credit > CHANNEL_WINDOW || c->allowed + c->waiting + c->delivered > CHANNEL_WINDOW) abort();
    if (c->fd < 0 && c->waiting > 0) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (session.dial == NULL && session_prepare(&session, dial) < 0) return 0;
  size_t at = 0;
  int result = 0;
  while (result == 0 && size - at >= 3) {
    uint8_t step = data[at], first = data[at + 1], second = data[at + 2];
    at += 3;
    if (step % 4 == 0) {
      size_t length = (size_t)first | (size_t)second << 8;
      if (length > size - at) length = size - at;
      result = host_sends(data + at, length);
      at += length;
    } else if (step % 4 == 1)
      agent_acts(first, second);
    else if (step % 4 == 2)
      session_event(&session, first, (short)(second & (POLLIN | POLLOUT | POLLHUP | POLLERR)));
    else
      host_takes();
    check_windows();
  }
  session_end(&session);
  while (agent_count > 0) drop_fd(&agents[--agent_count]);
  return 0;
}
