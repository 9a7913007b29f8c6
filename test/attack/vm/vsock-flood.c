/* vsock-flood CID PORT SECONDS HOLD: connects as fast as it can and keeps the last HOLD connections open. */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static int held[4096];
  if (argc != 5) return 2;
  const struct sockaddr_vm address = {
      .svm_family = AF_VSOCK, .svm_cid = (unsigned)atoi(argv[1]), .svm_port = (unsigned)atoi(argv[2])};
  const time_t end = time(NULL) + atoi(argv[3]);
  const unsigned hold = (unsigned)atoi(argv[4]) % 4096 + 1;
  unsigned long connected = 0, refused = 0;
  for (unsigned at = 0; time(NULL) < end; at = (at + 1) % hold) {
    if (held[at] > 0) close(held[at]);
    held[at] = socket(AF_VSOCK, SOCK_STREAM, 0);
    if (connect(held[at], (const struct sockaddr *)&address, sizeof address) == 0) connected++;
    else refused++;
  }
  printf("%lu %lu\n", connected, refused);
}
