/* PID 1 of a guest (or of a pid namespace in tests): prepares the system, then serves its children and the agent. */
#include "adopt.h"
#include "agent.h"
#include "boot.h"
#include "cgroup.h"
#include "launch.h"
#include "link.h"
#include "linux-abi.h"
#include "mounts.h"
#include "system.h"
#include "table.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct origin origin;

static void reap(void) {
  struct rusage usage;
  int status;
  pid_t pid;
  while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
    if (agent_exited(pid, status)) continue;
    struct process *process = table_by_pid(pid);
    if (process != NULL)
      table_exit(process, status, &usage);
    else
      adopt_note_exit(pid, status, &usage); /* an orphan of someone's */
  }
}

/* A descriptor that tells of ended children; all signals are blocked from here on, for this process alone. */
static int watch_children(void) {
  sigset_t set;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void drain(int fd) {
  struct signalfd_siginfo infos[8];
  while (read(fd, infos, sizeof infos) > 0) continue;
}

static void serve(int epoll, int children) {
  for (;;) {
    struct epoll_event events[2];
    agent_start();
    link_flush();
    link_watch(epoll);
    int count = epoll_wait(epoll, events, 2, agent_timeout());
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == children) {
        drain(children);
        reap();
      } else if (events[i].data.fd == link_socket() && !link_read(&origin)) {
        link_close();
        agent_kill();
      }
    }
  }
}

int main(int argc, char **argv) {
  char *const *command = NULL;
  for (int i = 1; i < argc && command == NULL; i++) {
    if (strcmp(argv[i], "--") == 0 && argv[i + 1] != NULL) command = argv + i + 1;
  }
  if (getpid() != 1) {
    say("I am the first process of a guest or of a pid namespace, and this is process %d", getpid());
    return 2;
  }
  origin.start_us = boot_start_us();
  umask(022);
  abi_close_range(STDERR_FILENO + 1, ~0u); /* nothing of whoever started us goes on to our children */
  boot_root(argv, origin.start_us);
  mounts_prepare(&origin);
  system_prepare(&origin);
  cgroup_prepare();
  int children = watch_children();
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = children};
  if (children < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, children, &event) < 0 || launch_prepare() < 0) {
    say("cannot set up epoll, signalfd or /proc/self/ns/pid: %s", strerror(errno));
    return 1;
  }
  agent_prepare(command, &origin);
  serve(epoll, children);
}
