#include "power.h"
#include "agent.h"
#include "table.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_LIMIT_US = 10000000, SYNC_PAUSE_NS = 1000000 };

/* Syncs in a child: a file system whose server is gone (virtio-fs) may never answer. */
static void sync_within_limit(void) {
  const struct timespec pause = {.tv_nsec = SYNC_PAUSE_NS};
  uint64_t end = now_us() + SYNC_LIMIT_US;
  pid_t pid = fork();
  if (pid == 0) {
    sync();
    _exit(0);
  }
  while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0) {
    if (now_us() >= end) {
      say("sync did not finish within 10 s; powering off without it");
      return;
    }
    nanosleep(&pause, NULL);
  }
}

static bool is_exit;

void power_is_exit(void) { is_exit = true; }

/* Kills the agent first, or it would restart processes that end and report errors. */
_Noreturn static void leave(int status) {
  agent_kill();
  for (unsigned i = 0; i < table_top(); i++) {
    if (process_is(table_at(i), IS_ALIVE)) kill(table_at(i)->pid, SIGKILL);
  }
  _exit(status);
}

int power(bool again) {
  if (is_exit) leave(again ? EXIT_FAILURE : EXIT_SUCCESS);
  sync_within_limit();
  reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
  return -errno;
}
