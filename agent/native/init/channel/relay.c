#include "relay.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int relay_dial(uint32_t port) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%u", port);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) drop_fd(&fd);
  return fd;
}

/* Waits for the port. Returns its events or -errno; -EPIPE once the host's end is gone. */
static int wait_port(int port, short events) {
  struct pollfd watched = {.fd = port, .events = events};
  if (poll(&watched, 1, -1) < 0) return errno == EINTR ? 0 : -errno;
  return watched.revents & POLLHUP && !(watched.revents & POLLIN) ? -EPIPE : watched.revents;
}

/* Reads what the port has, up to `size`. Returns the bytes, 0 if there are none now, or -errno. */
static ssize_t read_port(int port, uint8_t *into, size_t size) {
  size_t used = 0;
  while (used < size) {
    ssize_t length = read(port, into + used, size - used);
    if (length > 0) used += (size_t)length;
    else if (used > 0 || (length < 0 && (errno == EAGAIN || errno == EINTR)))
      break;
    else
      return length == 0 ? -EPIPE : -errno;
  }
  return (ssize_t)used;
}

/* Writes what is unsent. A port takes it whole, so that a session never ends within a frame. */
static int flush(struct session *session, int port) {
  if (session->unsent == session->sent) return 0;
  ssize_t length = write(port, session->out + session->sent, session->unsent - session->sent);
  if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  session->sent += (size_t)length;
  if (session->sent == session->unsent) session->sent = session->unsent = 0;
  return 0;
}

/* Says hello, and drops everything that was meant for an earlier session, up to the echo of the nonce. */
static int greet(struct session *session, int port) {
  uint8_t nonce[NONCE_BYTES];
  size_t used = 0;
  if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) return -EIO;
  session->unsent = frame_hello(session->out, nonce);
  for (;;) {
    int result = wait_port(port, (short)(POLLIN | (session->unsent > 0 ? POLLOUT : 0)));
    if (result >= 0) result = flush(session, port);
    if (result < 0) return result;
    ssize_t length = read_port(port, session->in + used, sizeof session->in - used);
    if (length < 0) return (int)length;
    used += (size_t)length;
    const uint8_t *echo = memmem(session->in, used, nonce, sizeof nonce);
    size_t drop = echo != NULL ? (size_t)(echo - session->in) + NONCE_BYTES : used < NONCE_BYTES ? 0 : used - NONCE_BYTES + 1;
    memmove(session->in, session->in + drop, used - drop);
    used -= drop;
    session->received = used;
    if (echo != NULL) return 0;
  }
}

/* Polls the port and the sockets. Returns how many were polled, or -errno. */
static int watch(struct session *session, int port, struct pollfd *watched, uint16_t *ids) {
  bool room = session_has_room(session);
  unsigned count = 1;
  watched[0] = (struct pollfd){.fd = port, .events = (short)(POLLIN | (session->unsent > 0 ? POLLOUT : 0))};
  for (unsigned id = 0; id < session->top; id++) {
    int events = connection_events(&session->connections[id], room);
    if (events < 0) continue;
    ids[count] = (uint16_t)id;
    watched[count++] = (struct pollfd){.fd = session->connections[id].fd, .events = (short)events};
  }
  return poll(watched, count, -1) < 0 && errno != EINTR ? -errno : (int)count;
}

static int turn(struct session *session, int port) {
  static struct pollfd watched[1 + CHANNEL_CONNECTIONS];
  static uint16_t ids[1 + CHANNEL_CONNECTIONS];
  session_fill(session);
  int result = flush(session, port);
  int count = result < 0 ? result : watch(session, port, watched, ids);
  if (count < 0) return count;
  /* Each time another connection comes first, as it may take all room. */
  unsigned sockets = (unsigned)count - 1;
  for (unsigned i = 0; i < sockets; i++) {
    unsigned at = 1 + (session->turn + i) % sockets;
    if (watched[at].revents != 0) session_event(session, ids[at], watched[at].revents);
  }
  session->turn++;
  if (!(watched[0].revents & (POLLIN | POLLHUP | POLLERR))) return 0;
  ssize_t length = read_port(port, session->in + session->received, sizeof session->in - session->received);
  if (length < 0) return (int)length;
  session->received += (size_t)length;
  return session_take(session);
}

int relay_serve(struct session *session, int port) {
  int result = greet(session, port);
  if (result == 0) result = session_take(session); /* what came right after the echo */
  while (result == 0) result = turn(session, port);
  session_end(session);
  return result;
}
