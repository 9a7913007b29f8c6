/*
 * taken-mount DIRECTORY: mounts a FUSE file system that accepts requests but answers only the first. A process that
 * waits for an answer cannot be killed until this program ends.
 */
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv) {
  static char request[1 << 17];
  char options[96];
  int fd = open("/dev/fuse", O_RDWR);
  if (argc != 2 || fd < 0) return 1;
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
  if (mount("taken", argv[1], "fuse", 0, options) < 0) return 2;
  for (;;) {
    ssize_t length = read(fd, request, sizeof request);
    const struct fuse_in_header *in = (const void *)request;
    if (length < (ssize_t)sizeof *in) return 3;
    if (in->opcode != FUSE_INIT) continue;
    struct {
      struct fuse_out_header header;
      struct fuse_init_out body;
    } out = {
        .header = {.len = sizeof out, .unique = in->unique},
        .body = {.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096},
    };
    if (write(fd, &out, sizeof out) < 0) return 4;
    puts("mounted");
    fflush(stdout);
  }
}
