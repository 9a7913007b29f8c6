/*
 * Stands in for the agent in tests of init: passes its socket to init to the test, which listens on the unix socket that
 * GUESTD_TEST_RELAY names (a path that both namespaces share), then waits to be killed.
 */
#include "../../../agent/native/common/rights.h"
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

int main(void) {
  const char *path = getenv("GUESTD_TEST_RELAY");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || strlen(path) >= sizeof address.sun_path) return 2;
  strcpy(address.sun_path, path);
  int fd = 3, peer = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(peer, (struct sockaddr *)&address, sizeof address) < 0) return 3;
  union rights rights;
  struct iovec part = {.iov_base = "x", .iov_len = 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  rights_attach(&message, &rights, &fd, 1);
  if (sendmsg(peer, &message, 0) < 0) return 4;
  close(peer);
  close(fd);
  for (;;) pause();
}
