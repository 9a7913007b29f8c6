/*
 * orphans-of-init SECONDS WORKERS: as an exec, a child of init, creates children of init (CLONE_PARENT) that end at
 * once.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  int seconds = argc > 1 ? atoi(argv[1]) : 5, workers = argc > 2 ? atoi(argv[2]) : 4;
  long made = 0;
  const struct rlimit most = {512, 512}; /* zombies count, too; spares the other users of this machine */
  if (setrlimit(RLIMIT_NPROC, &most) < 0) return 1;
  time_t end = time(NULL) + seconds;
  for (int i = 1; i < workers; i++) if (syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) == 0) break;
  while (time(NULL) < end) {
    long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) syscall(SYS_exit, 0);
    if (pid > 0) made++;
  }
  printf("made %ld\n", made);
  return 0;
}
