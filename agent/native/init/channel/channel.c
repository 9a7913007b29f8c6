#include "channel.h"
#include "../../common/linux-abi.h"
#include "confine.h"
#include "port.h"
#include "relay.h"
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPTION "agent.channel="
/* The agent listens here, on unix sockets that are named after ports. */
#define FOLDER "/run/guestd/channel"

enum { RETRY_NS = 20000000, PAUSE_NS = 200000000 };

static char name[PORT_NAME];
static pid_t relay = -1;
static bool again;

void channel_prepare(void) {
  static char line[4096];
  if (read_file("/proc/cmdline", line, sizeof line) <= 0) return;
  for (char *word = strtok(line, " \n"); word != NULL && strcmp(word, "--") != 0; word = strtok(NULL, " \n")) {
    if (strncmp(word, OPTION, strlen(OPTION)) != 0) continue;
    const char *value = word + strlen(OPTION);
    if (strlen(value) < sizeof name) strcpy(name, value);
    else say("cannot use the channel %s: its name has more than %d characters", value, PORT_NAME - 1);
  }
  if (name[0] != '\0' && mkdir(FOLDER, 0700) < 0 && errno != EEXIST) say("cannot create " FOLDER ": %s", strerror(errno));
}

static void pause_for(long nanoseconds) {
  const struct timespec time = {.tv_nsec = nanoseconds};
  nanosleep(&time, NULL);
}

/* Serves each port of that name in turn: a guest that continues from a snapshot has a new one. */
_Noreturn static void run(void) {
  static struct session session;
  abi_close_range(STDERR_FILENO + 1, ~0u);
  setpgid(0, 0);
  prctl(PR_SET_NAME, "guestd-channel", 0, 0, 0);
  if (again) pause_for(PAUSE_NS);
  int result = chdir(FOLDER) < 0 ? -errno : session_prepare(&session, relay_dial);
  if (result == 0) result = relay_confine();
  if (result < 0) {
    say("cannot prepare the channel: %s", strerror(-result));
    _exit(1);
  }
  for (;; pause_for(RETRY_NS)) {
    int port = port_open(name);
    if (port < 0) continue;
    result = relay_serve(&session, port);
    if (result == -EPROTO || result == -EBADMSG) say("the host broke the channel's rules; it begins anew");
    close(port);
  }
}

void channel_start(void) {
  if (name[0] == '\0' || relay > 0) return;
  relay = fork();
  if (relay == 0) run();
  if (relay < 0) say("cannot fork the channel's relay: %s", strerror(errno));
}

bool channel_exited(pid_t pid, int status) {
  if (relay <= 0 || pid != relay) return false;
  relay = -1;
  again = true;
  const char *how = WIFSIGNALED(status) ? "signal" : "exit code";
  say("the channel's relay ended (%s %d) and is started again", how,
      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return true;
}
