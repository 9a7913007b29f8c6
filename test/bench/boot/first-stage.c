/*
 * PID 1 of a guest of another agent: loads the modules that /guestd-modules lists, prints when it began and when it ended, in
 * microseconds of the monotonic clock, and executes the agent in its place.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char AGENT[] = "/usr/bin/agent";

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

int main(int argc, char **argv) {
  (void)argc;
  char path[256];
  long long began = now_us();
  FILE *list = fopen("/guestd-modules", "re");
  while (list != NULL && fgets(path, sizeof path, list) != NULL) {
    path[strcspn(path, "\n")] = '\0';
    int module = open(path, O_RDONLY | O_CLOEXEC);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0) < 0) perror(path);
    if (module >= 0) close(module);
  }
  if (list != NULL) fclose(list);
  dprintf(STDOUT_FILENO, "first stage: init %lld agent %lld\n", began, now_us());
  execv(AGENT, argv);
  perror(AGENT);
  return 1;
}
