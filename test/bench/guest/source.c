// Serves AF_VSOCK port 5000 and the unix socket argv[1]: a client sends one byte, a number, and gets as many MiB.
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT 5000
#define BLOCK 32768

static int listening(struct sockaddr *address, socklen_t length) {
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, address, length) < 0 || listen(fd, 8) < 0) abort();
  return fd;
}

static void serve(int listener) {
  static char block[BLOCK];
  unsigned char wanted = 0;
  int client = accept(listener, NULL, NULL);
  if (client < 0) abort();
  if (read(client, &wanted, 1) == 1) {
    size_t left = (size_t)wanted << 20;
    for (ssize_t sent; left > 0; left -= (size_t)sent) {
      sent = write(client, block, left < BLOCK ? left : BLOCK);
      if (sent <= 0) break;
    }
  }
  // Some vsock devices drop what a closed socket has not sent: the client closes first.
  while (read(client, block, BLOCK) > 0) continue;
  close(client);
}

int main(int count, char **arguments) {
  struct sockaddr_vm vsock = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = PORT};
  struct sockaddr_un local = {.sun_family = AF_UNIX};
  if (count != 2 || strlen(arguments[1]) >= sizeof local.sun_path) return 1;
  strcpy(local.sun_path, arguments[1]);
  struct pollfd polled[] = {
      {.fd = listening((struct sockaddr *)&vsock, sizeof vsock), .events = POLLIN},
      {.fd = listening((struct sockaddr *)&local, sizeof local), .events = POLLIN},
  };
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) return 1;
  for (;;) {
    if (poll(polled, 2, -1) < 0) return 1;
    for (int each = 0; each < 2; each++)
      if (polled[each].revents != 0) serve(polled[each].fd);
  }
}
