/* Prints the process's properties: ids, attributes, namespaces, clocks, descriptors. */
#include "put.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void see_descriptors(void) {
  for (int fd = 0; fd < 256; fd++) {
    char path[32], target[4096] = "";
    struct stat file;
    int flags = fcntl(fd, F_GETFD), status = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &file) < 0) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (readlink(path, target, sizeof target - 1) < 0) strcpy(target, "?");
    target[strcspn(target, "[")] = '\0'; /* a pipe's number means nothing */
    char text[4352], key[16];
    snprintf(key, sizeof key, "%d", fd);
    snprintf(text, sizeof text, "%s mode %o owner %u:%u flags %x %x", target, file.st_mode, file.st_uid, file.st_gid,
             (unsigned)flags, (unsigned)status);
    put("fd", key, text);
  }
}

void see_namespaces(const char *section) {
  static const char *const names[] = {"cgroup", "ipc", "mnt",  "net", "pid", "pid_for_children",
                                      "time",   "time_for_children", "user", "uts"};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char path[64], link[128] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
    if (readlink(path, link, sizeof link - 1) < 0) strcpy(link, strerror(errno));
    put(section, names[i], link);
  }
}

/* Prints clocks rounded to hours, to show the offsets of a time namespace independently of the moment. */
void see_clocks(void) {
  struct timespec real, monotonic, boottime;
  if (clock_gettime(CLOCK_MONOTONIC, &monotonic) < 0 || clock_gettime(CLOCK_BOOTTIME, &boottime) < 0) return;
  put_number("clock", "boottime past monotonic", (boottime.tv_sec - monotonic.tv_sec + 1800) / 3600);
  put_number("clock", "real is there", clock_gettime(CLOCK_REALTIME, &real) == 0 && real.tv_sec > 1000000000);
}

static void see_groups(void) {
  gid_t groups[256];
  char text[4096] = "";
  int count = getgroups(256, groups);
  for (int i = 0; i < count; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "%u ", groups[i]);
  put("id", "groups", text);
}

/* Reads field 19 of stat, because a filter may kill for getpriority. */
static void see_nice(void) {
  long nice = 99;
  FILE *file = fopen("/proc/self/stat", "re");
  if (file == NULL) return;
  if (fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %ld", &nice) != 1) nice = 99;
  fclose(file);
  put_number("id", "nice", nice);
}

static void see_scheduling(void) {
  cpu_set_t cpus;
  char text[4096] = "";
  CPU_ZERO(&cpus);
  sched_getaffinity(0, sizeof cpus, &cpus);
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &cpus)) snprintf(text + strlen(text), sizeof text - strlen(text), "%d ", i);
  put("id", "affinity", text);
  put_number("id", "scheduler", syscall(SYS_sched_getscheduler, 0));
  see_nice();
  put_number("id", "ioprio", syscall(SYS_ioprio_get, 1, 0));
  put_number("id", "timer slack", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
  put_number("id", "THP disabled", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

static void see_attributes(void) {
  put_number("id", "dumpable", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  put_number("id", "keepcaps", prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  put_number("id", "securebits", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
  put_number("id", "no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  int death_signal = 0, subreaper = 0;
  prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
  put_number("id", "pdeathsig", death_signal);
  put_number("id", "subreaper", subreaper);
}

/* Runs in a child, because a filter may kill for it. */
static void see_keyring(void) {
  char text[256] = "";
  fflush(stdout);
  pid_t child = fork();
  if (child > 0) waitpid(child, NULL, 0);
  if (child != 0) return;
  long got = syscall(SYS_keyctl, 6 /* KEYCTL_DESCRIBE */, -3 /* the session keyring */, text, sizeof text - 1);
  put("id", "session keyring", got < 0 ? strerror(errno) : text);
  fflush(stdout);
  _exit(0);
}

void see_identity(void) {
  struct utsname uts;
  struct winsize size = {0};
  char text[64], directory[4096] = "";
  see_groups();
  put("id", "cwd", getcwd(directory, sizeof directory) == NULL ? strerror(errno) : directory);
  uname(&uts);
  put("id", "hostname", uts.nodename);
  put("id", "domainname", uts.domainname);
  put("id", "release", uts.release);
  put("id", "machine", uts.machine);
  mode_t mask = umask(0);
  umask(mask);
  put_number("id", "umask", mask);
  put_number("id", "sid is pid", getsid(0) == getpid());
  put_number("id", "pgid is pid", getpgid(0) == getpid());
  put_number("id", "pid", getpid());
  put_number("id", "ppid", getppid());
  put_number("id", "tty", isatty(0) * 4 + isatty(1) * 2 + isatty(2));
  if (ioctl(0, TIOCGWINSZ, &size) == 0) {
    snprintf(text, sizeof text, "%ux%u", size.ws_row, size.ws_col);
    put("id", "window", text);
  }
  put_number("id", "in the foreground", tcgetpgrp(0) == getpgid(0));
  see_scheduling();
  see_attributes();
  see_keyring();
}
