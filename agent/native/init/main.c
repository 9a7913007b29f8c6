/*
 * PID 1 of a guest (or of a pid namespace in tests): prepares the system, then serves its children and the agent. Under
 * another init it is a service: it leaves the system as it is, and reaps only what its children leave behind.
 */
#include "../common/linux-abi.h"
#include "agent.h"
#include "boot.h"
#include "channel/channel.h"
#include "launch.h"
#include "link.h"
#include "power.h"
#include "prepare.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct origin origin;
static bool stopping; /* a service was asked to stop */

static uint64_t micros(const struct timeval *t) { return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec; }

static bool reap_one(pid_t pid) {
  struct rusage usage;
  int status;
  pid_t found = wait4(pid, &status, WNOHANG, &usage);
  if (found <= 0) return false;
  uint64_t user_us = micros(&usage.ru_utime), system_us = micros(&usage.ru_stime);
  const struct ending ending = {status, user_us, system_us, (uint64_t)usage.ru_maxrss};
  if (channel_exited(found, status)) return true;
  if (!agent_exited(found, status)) launch_ended(found, &ending);
  else if (stopping)
    power(false);
  return true;
}

/*
 * Reaps a batch of children; returns true if there may be more. A launched process can create children of init
 * (CLONE_PARENT) that end faster than init reaps them. While there is such a backlog, the agent and the processes of
 * the table are reaped first.
 */
static bool reap(bool backlog) {
  enum { BATCH = 256 };
  if (backlog) {
    if (agent_pid() > 0) reap_one(agent_pid());
    for (unsigned i = 0; i < table_top(); i++) {
      if (process_is(table_at(i), IS_ALIVE)) reap_one(table_at(i)->pid);
    }
  }
  for (unsigned i = 0; i < BATCH; i++) {
    if (!reap_one(-1)) return false;
  }
  return true;
}

/*
 * Blocks all signals in this process and returns a descriptor that reports SIGCHLD; to a service also requests to stop.
 */
static int watch_signals(void) {
  sigset_t set;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigfillset(&set);
  sigprocmask(SIG_SETMASK, &set, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  if (origin.service) sigaddset(&set, SIGTERM), sigaddset(&set, SIGINT);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Passes the first request to stop on to the agent, which cleans up and then asks for power off. */
static void stop_service(void) {
  if (stopping || !agent_stop()) power(false);
  stopping = true;
}

static void read_signals(int fd) {
  struct signalfd_siginfo infos[8];
  ssize_t length;
  while ((length = read(fd, infos, sizeof infos)) > 0) {
    for (unsigned i = 0; i < (size_t)length / sizeof *infos; i++) {
      if (infos[i].ssi_signo != SIGCHLD) stop_service();
    }
  }
}

/* Uses poll, not epoll: the kernel limits epoll watches by uid, and a container with init's uid can use them all up. */
static void serve(int signals) {
  for (bool more = false;;) {
    channel_start();
    agent_watch();
    agent_start();
    link_flush();
    struct pollfd watched[] = {{.fd = signals, .events = POLLIN}, {.fd = link_socket(), .events = link_events()}};
    int ready = poll(watched, sizeof watched / sizeof *watched, more ? 0 : agent_timeout());
    if (ready < 0 || (ready == 0 && !more)) continue;
    if (watched[0].revents != 0) read_signals(signals);
    if (watched[0].revents != 0 || more) more = reap(more);
    if (watched[1].revents != 0 && watched[1].fd == link_socket() && !link_read(&origin)) {
      link_close();
      agent_kill();
    }
  }
}

/* Returns the agent's command line, after "--", or NULL. Reads the options before it, which only a service has. */
static char *const *read_arguments(char **argument) {
  while (*++argument != NULL && strcmp(*argument, "--") != 0) {
    if (!origin.service) continue;
    if (strcmp(*argument, "--config") == 0 && argument[1] != NULL) setenv("GUESTD_CONFIG_FILE", *++argument, 1);
    else if (strcmp(*argument, "--version") == 0)
      setenv("GUESTD_VERSION_ONLY", "1", 1);
    else {
      say("unknown option %s; use --config FILE, --version, or -- and the command of the agent", *argument);
      exit(2);
    }
  }
  return *argument != NULL && argument[1] != NULL ? argument + 1 : NULL;
}

int main(int argc, char **argv) {
  origin.service = getpid() != 1;
  origin.start_us = boot_start_us();
  umask(022);
  abi_close_range(STDERR_FILENO + 1, ~0u); /* children must not inherit what init's parent left open */
  char *const *command = argc > 0 ? read_arguments(argv) : NULL;
  if (origin.service) {
    power_is_exit();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return 2;
  } else {
    boot_root(argv, origin.start_us);
    mounts_prepare(&origin);
  }
  system_prepare(&origin);
  cgroup_prepare(&origin);
  int signals = watch_signals();
  if (signals < 0 || launch_prepare() < 0) {
    say("cannot set up signalfd or /proc/self/ns/pid: %s", strerror(errno));
    return 1;
  }
  if (!origin.service && !origin.foreign) channel_prepare();
  agent_prepare(command, &origin);
  if (getenv("GUESTD_VERSION_ONLY") != NULL) agent_become();
  serve(signals);
}
