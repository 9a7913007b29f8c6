/* Swaps the two paths of each pair of arguments in an endless loop. The first argument is a file for the number of rounds. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int rounds = argc > 1 ? open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
  for (uint64_t count = 1;; count++) {
    for (int i = 2; i + 1 < argc; i += 2) {
      if (syscall(SYS_renameat2, AT_FDCWD, argv[i], AT_FDCWD, argv[i + 1], RENAME_EXCHANGE) == 0) continue;
      if (errno == ENOENT) continue; /* below another one that is a link now */
      perror(argv[i]);
      return 1;
    }
    if (pwrite(rounds, &count, sizeof count, 0) != sizeof count) {
      perror("count the rounds");
      return 1;
    }
  }
}
