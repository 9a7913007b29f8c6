#include "power.h"
#include "agent.h"
#include "linux-abi.h"
#include "table.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SYNC_LIMIT_US = 10000000, SYNC_PAUSE_NS = 1000000 };

/* In a child, because a file system whose server is gone (virtio-fs) may never answer. */
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
      say("sync did not end within 10 s; power off without it");
      return;
    }
    nanosleep(&pause, NULL);
  }
}

static bool is_exit;

void power_is_exit(void) { is_exit = true; }

/* The agent first: it would start what is ended again, or complain. */
_Noreturn static void leave(int status) {
  agent_kill();
  for (unsigned i = 0; i < table_top(); i++) {
    const struct process *process = table_at(i);
    if (process->used && !process->exited) syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
  }
  _exit(status);
}

int power(bool again) {
  if (is_exit) leave(again ? EXIT_FAILURE : EXIT_SUCCESS);
  sync_within_limit();
  reboot(again ? RB_AUTOBOOT : RB_POWER_OFF);
  return -errno;
}
