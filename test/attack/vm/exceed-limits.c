/* Takes more of what its first argument names than a program of a guest may have, until it is refused or killed. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 4 << 20 };

static int take(const char *what) {
  if (strcmp(what, "files") == 0) return open("/dev/null", O_RDONLY);
  if (strcmp(what, "memory") == 0) {
    char *piece = malloc(PIECE);
    if (piece != NULL) memset(piece, 1, PIECE);
    return piece == NULL ? -1 : 0;
  }
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  return child;
}

int main(int argc, char **argv) {
  int taken = 0;
  if (argc < 2) return 2;
  while (take(argv[1]) >= 0) taken++;
  printf("%d %s\n", taken, strerror(errno));
  signal(SIGUSR2, SIG_IGN);
  kill(0, SIGUSR2);
  while (wait(NULL) > 0) continue;
  return 0;
}
