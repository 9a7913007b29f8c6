/* Swaps the two paths of each pair of arguments in an endless loop. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  for (;;) {
    for (int i = 1; i + 1 < argc; i += 2) {
      if (syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) == 0) continue;
      if (errno == ENOENT) continue; /* below another one that is a link now */
      perror(argv[i]);
      return 1;
    }
  }
}
