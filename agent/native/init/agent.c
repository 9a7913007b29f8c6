#include "agent.h"
#include "confine.h"
#include "link.h"
#include "watch.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Without a command line, init runs AGENT_PROGRAM if it exists; else Node with the lines of AGENT_OPTIONS. */
#define AGENT_PROGRAM "/usr/lib/guestd/agent"
#define AGENT_NODE "/usr/bin/node"
#define AGENT_OPTIONS "/usr/lib/guestd/node-options"
#define AGENT_LAUNCHER "/usr/lib/guestd/launcher.cjs"
#define AGENT_OOM_SCORE "-997"

/* An agent ends itself by this signal to be replaced at once, however short its life was. */
#define SUCCEED_ME SIGUSR2

enum { AGENT_FD = 3, MAX_WORDS = 64, FIRST_PAUSE_MS = 100, LAST_PAUSE_MS = 1000, GOOD_LIFE_US = 10000000 };

static const struct origin *origin;
static char *arguments[MAX_WORDS + 1];
static char *environment[MAX_WORDS + 1] = {"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "MALLOC_ARENA_MAX=1",
                                           "GUESTD_INIT_FD=3"};
static char options[4096];
static pid_t pid = -1;
static uint64_t generation, started_us, due_us, pause_ms;
static bool replaced; /* init has killed this agent for its silence */

static void add_word(char *words[], char *word) {
  unsigned count = 0;
  while (words[count] != NULL) count++;
  if (count < MAX_WORDS) words[count] = word;
}

static void default_command(void) {
  if (access(AGENT_PROGRAM, X_OK) == 0) {
    add_word(arguments, AGENT_PROGRAM);
    return;
  }
  add_word(arguments, AGENT_NODE);
  if (read_file(AGENT_OPTIONS, options, sizeof options) > 0) {
    for (char *line = strtok(options, "\n"); line != NULL; line = strtok(NULL, "\n")) add_word(arguments, line);
  }
  add_word(arguments, AGENT_LAUNCHER);
}

void agent_prepare(char *const *command, const struct origin *given) {
  origin = given;
  if (command == NULL) default_command();
  for (; command != NULL && *command != NULL; command++) add_word(arguments, *command);
  for (char **entry = environ; *entry != NULL; entry++) {
    if (strncmp(*entry, "GUESTD_", 7) != 0 && strncmp(*entry, "KATA_AGENT_", 11) != 0) continue;
    if (strncmp(*entry, "GUESTD_INIT_", 12) == 0) continue; /* from the init of the initramfs to the next */
    add_word(environment, *entry);
  }
}

_Noreturn void agent_become(void) {
  execve(arguments[0], arguments, environment);
  say("cannot execute the agent %s: %s", arguments[0], strerror(errno));
  _exit(127);
}

_Noreturn static void enter_agent(int socket) {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setpgid(0, 0); /* out of reach of kill(0, …); not a session leader, which acquires terminals it opens */
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* for a service: the kernel kills all when PID 1 ends */
  if (origin->oom_changed) write_file("/proc/self/oom_score_adj", AGENT_OOM_SCORE);
  confine_agent();
  if (socket == AGENT_FD ? fcntl(socket, F_SETFD, 0) < 0 : dup2(socket, AGENT_FD) < 0) _exit(127);
  agent_become();
}

/* Schedules the next start, after pauses that double. */
static void postpone(void) {
  due_us = now_us() + pause_ms * 1000;
  pause_ms = pause_ms == 0 ? FIRST_PAUSE_MS : pause_ms * 2 < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
}

void agent_start(void) {
  int pair[2];
  if (pid > 0 || now_us() < due_us) return;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
    say("cannot create a socket for the agent: %s", strerror(errno));
    return postpone();
  }
  started_us = now_us();
  pid = fork();
  if (pid == 0) enter_agent(pair[1]);
  close(pair[1]);
  if (pid < 0) {
    say("cannot fork the agent: %s", strerror(errno));
    close(pair[0]);
    return postpone();
  }
  replaced = false;
  watch_begin();
  link_open(pair[0], ++generation, started_us, origin);
}

int agent_timeout(void) {
  if (pid > 0) return watch_timeout();
  uint64_t now = now_us();
  return now >= due_us ? 0 : (int)((due_us - now + 999) / 1000);
}

bool agent_exited(pid_t ended, int status) {
  if (pid <= 0 || ended != pid) return false;
  pid = -1;
  link_drain(origin);
  link_close();
  bool asked = WIFSIGNALED(status) && WTERMSIG(status) == SUCCEED_ME;
  if (asked || now_us() - started_us >= GOOD_LIFE_US) pause_ms = 0;
  uint64_t pause = pause_ms;
  postpone();
  const char *how = WIFSIGNALED(status) ? "signal" : "exit code";
  int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  say("the agent ended (%s %d); next start in %llu ms", how, number, (unsigned long long)pause);
  return true;
}

pid_t agent_pid(void) { return pid; }

bool agent_stop(void) { return pid > 0 && kill(pid, SIGTERM) == 0; }

void agent_watch(void) {
  uint64_t silent_ms = pid > 0 ? watch_late() : 0;
  if (silent_ms == 0) return;
  if (replaced) {
    say("the agent does not end: the kernel holds it; it is replaced once it ends");
    watch_heard(0);
    return;
  }
  say("the agent has not answered for %llu.%llu s; it is replaced", (unsigned long long)silent_ms / 1000,
      (unsigned long long)silent_ms / 100 % 10);
  replaced = true;
  agent_kill();
}

void agent_kill(void) {
  if (pid > 0) kill(pid, SIGKILL);
}
