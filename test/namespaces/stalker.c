/*
 * stalker MILLISECONDS: waits for new processes in its pid namespace and tries to access each while it is still a copy
 * of init: by ptrace, its memory, its program, its descriptors. Prints how many it met, what it got, and all
 * capabilities (permitted and bounding) that any of them had.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Returns the process that was created last in this pid namespace, from the end of /proc/loadavg. */
static int newest(void) {
  char text[128] = "";
  int fd = open("/proc/loadavg", O_RDONLY);
  if (fd < 0) return -1;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  const char *last = length > 0 ? strrchr(text, ' ') : NULL;
  return last == NULL ? -1 : atoi(last);
}

/* Returns the capabilities that the process has or can acquire. */
static unsigned long long capabilities(int pid) {
  char path[64], text[4096] = "";
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t length = read(fd, text, sizeof text - 1);
  close(fd);
  const char *permitted = length > 0 ? strstr(text, "CapPrm:") : NULL, *bounding = strstr(text, "CapBnd:");
  if (permitted == NULL || bounding == NULL) return 0;
  return strtoull(permitted + 7, NULL, 16) | strtoull(bounding + 7, NULL, 16);
}

/* Returns 1 for a copy of init, 0 for another program, -1 if there is no such process. */
static int is_copy(int pid) {
  char path[64], comm[16] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  ssize_t length = read(fd, comm, sizeof comm - 1);
  close(fd);
  return length < 0 ? -1 : strcmp(comm, "init\n") == 0;
}

static bool opens(int pid, const char *name, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  int fd = open(path, flags);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

static bool traces(int pid) {
  if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0) return false;
  ptrace(PTRACE_INTERRUPT, pid, 0, 0);
  waitpid(pid, NULL, __WALL);
  bool copy = is_copy(pid) == 1;
  ptrace(PTRACE_DETACH, pid, 0, 0);
  return copy;
}

/* Returns what it could access of a copy of init, or NULL. */
static const char *take(int pid) {
  static const char *const files[] = {"mem", "exe", "root", "cwd", "environ", "maps", "fd/0", "fd/3", NULL};
  for (const char *const *name = files; *name != NULL; name++) {
    if (opens(pid, *name, O_RDONLY) && is_copy(pid) == 1) return *name;
  }
  return traces(pid) ? "trace" : NULL;
}

int main(int argc, char **argv) {
  long end = now_ms() + (argc > 1 ? atol(argv[1]) : 1000);
  unsigned met = 0, got = 0;
  unsigned long long had = 0;
  const char *what = "nothing";
  while (now_ms() < end) {
    int pid = newest();
    if (is_copy(pid) != 1) continue;
    unsigned long long has = capabilities(pid);
    if (is_copy(pid) == 1) had |= has;
    const char *taken = take(pid);
    met++;
    got += taken != NULL;
    if (taken != NULL) what = taken;
  }
  printf("met %u, got %u, %s, with %llx\n", met, got, what, had);
}
