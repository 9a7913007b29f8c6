/*
 * The relay of the channel, for tests: connects to the unix socket argv[1] instead of a virtio-serial port, again and
 * again, and to the agent's listeners in the folder argv[2]. Prints how each session ended.
 */
#include "../../../agent/native/init/channel/relay.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_port(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) drop_fd(&fd);
  return fd;
}

int main(int argc, char **argv) {
  static struct session session;
  if (argc != 3 || chdir(argv[2]) < 0 || session_prepare(&session, relay_dial) < 0) return 2;
  for (;; usleep(5000)) {
    int port = connect_port(argv[1]);
    if (port < 0) continue;
    printf("%s\n", strerror(-relay_serve(&session, port)));
    fflush(stdout);
    close(port);
  }
}
