/*
 * PID 1 of a guest (or of a pid namespace in tests): prepares the system, then serves its children and the agent. As any
 * other process it is a service: it leaves the system as it is, and reaps what its children leave behind.
 */
#include "agent.h"
#include "boot.h"
#include "cgroup.h"
#include "launch.h"
#include "link.h"
#include "linux-abi.h"
#include "mounts.h"
#include "power.h"
#include "system.h"
#include "table.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct origin origin;
static bool stopping; /* a service */

static void ended(pid_t pid, int status, const struct rusage *usage) {
  if (!agent_exited(pid, status)) launch_ended(pid, status, usage);
  else if (stopping)
    power(false);
}

static bool reap_one(pid_t pid) {
  struct rusage usage;
  int status;
  pid_t found = wait4(pid, &status, WNOHANG, &usage);
  if (found > 0) ended(found, status, &usage);
  return found > 0;
}

/*
 * True when there may be more. A process that init has forked can have children that are init's (CLONE_PARENT), and they may end
 * faster than they are reaped: then the processes that count come first, and the agent gets its turn.
 */
static bool reap(bool backlog) {
  enum { BATCH = 256 };
  if (backlog) {
    if (agent_pid() > 0) reap_one(agent_pid());
    for (unsigned i = 0; i < table_top(); i++) {
      struct process *process = table_at(i);
      if (process->used && !process->exited) reap_one(process->pid);
    }
  }
  for (unsigned i = 0; i < BATCH; i++) {
    if (!reap_one(-1)) return false;
  }
  return true;
}

/* A descriptor that tells of ended children; all signals are blocked from here on, for this process alone. */
static int watch_children(void) {
  sigset_t set;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  if (origin.service) sigaddset(&set, SIGTERM), sigaddset(&set, SIGINT);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The first request to stop is the agent's: it takes away what there is, then has the power switched off. */
static void stop_service(void) {
  if (stopping || !agent_stop()) power(false);
  stopping = true;
}

static void drain(int fd) {
  struct signalfd_siginfo infos[8];
  ssize_t length;
  while ((length = read(fd, infos, sizeof infos)) > 0) {
    for (unsigned i = 0; i < (size_t)length / sizeof *infos; i++) {
      if (infos[i].ssi_signo != SIGCHLD) stop_service();
    }
  }
}

/* poll, not epoll: an epoll's watches are limited for each uid, and a container whose root is ours can take them all. */
static void serve(int children) {
  for (bool more = false;;) {
    agent_watch();
    agent_start();
    link_flush();
    struct pollfd watched[] = {{.fd = children, .events = POLLIN}, {.fd = link_socket(), .events = link_events()}};
    int ready = poll(watched, sizeof watched / sizeof *watched, more ? 0 : agent_timeout());
    if (ready < 0 || (ready == 0 && !more)) continue;
    if (watched[0].revents != 0) drain(children);
    if (watched[0].revents != 0 || more) more = reap(more);
    if (watched[1].revents != 0 && watched[1].fd == link_socket() && !link_read(&origin)) {
      link_close();
      agent_kill();
    }
  }
}

static int prepare_service(int argc, char **argv) {
  for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
    bool config = strcmp(argv[i], "--config") == 0 && i + 1 < argc;
    if (config)
      setenv("GUESTD_CONFIG_FILE", argv[++i], 1);
    else if (strcmp(argv[i], "--version") == 0)
      setenv("GUESTD_VERSION_ONLY", "1", 1);
    else {
      say("%s: not known; the options are --config FILE, --version, -- PROGRAM OF THE AGENT", argv[i]);
      return -1;
    }
  }
  power_is_exit();
  return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int main(int argc, char **argv) {
  char *const *command = NULL;
  for (int i = 1; i < argc && command == NULL; i++) {
    if (strcmp(argv[i], "--") == 0 && argv[i + 1] != NULL) command = argv + i + 1;
  }
  origin.service = getpid() != 1;
  origin.start_us = boot_start_us();
  umask(022);
  abi_close_range(STDERR_FILENO + 1, ~0u); /* nothing of whoever started us goes on to our children */
  if (origin.service) {
    if (prepare_service(argc, argv) < 0) return 2;
  } else {
    boot_root(argv, origin.start_us);
    mounts_prepare(&origin);
  }
  system_prepare(&origin);
  cgroup_prepare(&origin);
  int children = watch_children();
  if (children < 0 || launch_prepare() < 0) {
    say("cannot set up signalfd or /proc/self/ns/pid: %s", strerror(errno));
    return 1;
  }
  agent_prepare(command, &origin);
  if (getenv("GUESTD_VERSION_ONLY") != NULL) agent_become();
  serve(children);
}
