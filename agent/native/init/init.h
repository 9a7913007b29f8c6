/* Limits and small helpers that all parts of init share. Tables are static: no allocation depends on outside input. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the protocol and the plan are little endian");
_Static_assert(sizeof(void *) == 8, "a plan's words become pointers");

enum {
  MAX_PROCESSES = 4096,
  MAX_DEPOSITS = 4096,
  MAX_MESSAGE = 4096,
  MAX_LABEL = 1024,
  MAX_NAME = 100,
  ROLES = 6,
  ROLE_REPORT = 4,
  ROLE_RELEASE = 5,
};

/* The environment that init was started in, as far as its children get it back. */
struct origin {
  uint64_t start_us; /* CLOCK_MONOTONIC */
  bool service;      /* not PID 1: runs as a service under another init */
  bool foreign;      /* not in the kernel's first pid namespace: a test on a host */
  bool oom_changed;
  char oom_score[16];
  uint64_t nofile_soft, nofile_hard;
};

uint64_t now_us(void); /* CLOCK_MONOTONIC */
/* Prints one line on the console (descriptor 2). Drops it if the console would block. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Closes *fd if it is open and sets it to -1. */
void drop_fd(int *fd);
/* Writes a text to an existing file with one write(2). Returns 0 or -errno. */
int write_file(const char *path, const char *text);
/* Reads up to size - 1 bytes and terminates them. Returns their number or -errno. */
ssize_t read_file(const char *path, char *into, size_t size);
