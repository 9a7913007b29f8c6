/* Bounds and small helpers shared by the parts of init. All tables are static: no outside size decides an allocation.
 */
#ifndef GUESTD_INIT_H
#define GUESTD_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire and the plan are little endian");
_Static_assert(sizeof(void *) == 8, "a plan's words are turned into pointers");

enum {
  MAX_PROCESSES = 4096,
  MAX_DEPOSITS = 1024,
  MAX_MESSAGE = 4096,
  MAX_FDS = 64,
  MAX_LABEL = 1024,
  MAX_NAME = 100,
  ROLES = 6,
  ROLE_REPORT = 4,
  ROLE_RELEASE = 5,
};

/* What the process was given at its start and has to give back to its children. */
struct origin {
  uint64_t start_us; /* CLOCK_MONOTONIC */
  bool service;      /* not PID 1: a service of a system that has its own init */
  bool foreign;      /* not the first pid namespace of this kernel: a test on a host */
  bool oom_changed;
  char oom_score[16];
  uint64_t nofile_soft, nofile_hard;
};

uint64_t now_us(void);
/* One line on the console (descriptor 2); dropped rather than waited for when the console is stuck. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Closes *fd if it is open and marks it closed. */
void drop_fd(int *fd);
/* One write(2) of a text to an existing file; 0 or -errno. */
int write_file(const char *path, const char *text);
/* Reads up to size - 1 bytes and terminates them; length or -errno. */
ssize_t read_file(const char *path, char *into, size_t size);

#endif
