#include "prepare.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define INIT_OOM_SCORE "-1000"

/* A pidfd and the kept descriptors of each process, the deposits, and some for init itself. */
enum { WANTED_FILES = MAX_PROCESSES * (1 + ROLES) + MAX_DEPOSITS + 256 };

/* Opens the console, or else /dev/null, on each standard descriptor that is closed. */
static void open_console(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    int opened = open("/dev/console", O_RDWR | O_NOCTTY);
    if (opened < 0) opened = open("/dev/null", O_RDWR);
    if (opened != fd && opened >= 0) {
      dup2(opened, fd);
      close(opened);
    }
  }
}

static void set_hostname(void) {
  char name[65];
  if (read_file("/etc/hostname", name, sizeof name) <= 0) strcpy(name, "localhost");
  name[strcspn(name, " \t\n")] = '\0';
  if (name[0] != '\0' && sethostname(name, strlen(name)) < 0) say("cannot set the host name: %s", strerror(errno));
}

static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  if (ioctl(fd, SIOCGIFFLAGS, &request) == 0 && !(request.ifr_flags & IFF_UP)) {
    request.ifr_flags |= IFF_UP;
    if (ioctl(fd, SIOCSIFFLAGS, &request) < 0) say("cannot bring lo up: %s", strerror(errno));
  }
  close(fd);
}

/*
 * Removes limits that the kernel counts by uid, which containers with the same user share. The objects they count are
 * charged to a container's memory, and a spec can still set limits.
 */
static void lift_shared_limits(void) {
  static const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
  static const int SHARED[] = {RLIMIT_NPROC, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE};
  static const char *const NAMES[] = {"processes", "signals", "message queues"};
  for (unsigned i = 0; i < sizeof SHARED / sizeof *SHARED; i++) {
    if (setrlimit(SHARED[i], &none) < 0) say("cannot lift the limit of %s: %s", NAMES[i], strerror(errno));
  }
}

static void raise_limits(struct origin *origin) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  origin->nofile_soft = limit.rlim_cur;
  origin->nofile_hard = limit.rlim_max;
  struct rlimit wanted = {WANTED_FILES, limit.rlim_max > WANTED_FILES ? limit.rlim_max : WANTED_FILES};
  if (setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  limit.rlim_cur = limit.rlim_max; /* without the privilege to raise the hard limit */
  setrlimit(RLIMIT_NOFILE, &limit);
}

static void protect_from_oom(struct origin *origin) {
  const char *file = "/proc/self/oom_score_adj";
  ssize_t length = read_file(file, origin->oom_score, sizeof origin->oom_score);
  origin->oom_changed = length > 0 && write_file(file, INIT_OOM_SCORE) == 0;
}

void system_prepare(struct origin *origin) {
  open_console();
  if (!origin->service) {
    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 0); /* fails if there is no console, or another session owns it */
    set_hostname();
    loopback_up();
  }
  raise_limits(origin);
  if (!origin->service && !origin->foreign) lift_shared_limits();
  protect_from_oom(origin);
}
