/* dial-vsock CID PORT: connects, sends the bytes of standard input, and prints how many bytes came back before the end. */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char bytes[4096];
  if (argc != 3) return 2;
  struct sockaddr_vm address = {
      .svm_family = AF_VSOCK, .svm_cid = (unsigned)atoi(argv[1]), .svm_port = (unsigned)atoi(argv[2])};
  const struct timeval limit = {.tv_sec = 5};
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  signal(SIGPIPE, SIG_IGN);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    printf("not connected: %s\n", strerror(errno));
    return 1;
  }
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes), total = 0;
  if (length > 0 && write(fd, bytes, (size_t)length) < 0) length = 0; /* it may be closed already */
  while ((length = read(fd, bytes, sizeof bytes)) > 0) total += length;
  const char *end = length < 0 && errno == EAGAIN ? "still open" : "closed";
  printf("connected, %zd bytes, %s\n", total, end);
}
