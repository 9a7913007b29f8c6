/* The program of a pod's pause container: waits for a signal to end. As PID 1 of a shared pid namespace it reaps. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) {
  (void)signal;
  _exit(0);
}

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) continue;
}

int main(void) {
  struct sigaction ends = {.sa_handler = end}, reaps = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
  if (sigaction(SIGINT, &ends, NULL) < 0 || sigaction(SIGTERM, &ends, NULL) < 0) return 1;
  if (sigaction(SIGCHLD, &reaps, NULL) < 0) return 1;
  for (;;) pause();
}
