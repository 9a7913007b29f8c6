#include "confine.h"
#include "caps.h"
#include "filter.h"
#include <errno.h>
#include <string.h>

#define BIT(number) (1ull << (number))
/* The capabilities that the agent keeps; docs/confinement.md says what for. */
static const uint64_t KEPT =
    BIT(0) /* CHOWN */ | BIT(1) /* DAC_OVERRIDE */ | BIT(2) /* DAC_READ_SEARCH */ | BIT(3) /* FOWNER */ |
    BIT(4) /* FSETID */ | BIT(5) /* KILL */ | BIT(6) /* SETGID */ | BIT(7) /* SETUID */ |
    BIT(10) /* NET_BIND_SERVICE */ | BIT(12) /* NET_ADMIN */ | BIT(13) /* NET_RAW */ | BIT(16) /* SYS_MODULE */ |
    BIT(19) /* SYS_PTRACE */ | BIT(21) /* SYS_ADMIN */ | BIT(23) /* SYS_NICE */ | BIT(24) /* SYS_RESOURCE */ |
    BIT(25) /* SYS_TIME */ | BIT(27) /* MKNOD */ | BIT(31) /* SETFCAP */;

/*
 * libuv creates an io_uring before any JavaScript runs, and no seccomp filter sees the calls made through it. With
 * ENOSYS, the answer of a kernel without io_uring, libuv does without. The agent refuses all other calls itself, from
 * its own list.
 */
static int refuse_io_uring(void) {
  enum { NR_io_uring_setup = 425 };
  static const struct abi_instruction code[] = {
      {LOAD, 0, 0, NUMBER},
      {IF_EQUAL, 0, 1, NR_io_uring_setup},
      {RETURN, 0, 0, RET_ERRNO + ENOSYS},
      {RETURN, 0, 0, RET_ALLOW},
  };
  return filter_install(code, sizeof code / sizeof *code);
}

/* Runs before execve, since the sets belong to threads and Node starts several before its first line of JavaScript. */
void confine_agent(void) {
  int result = caps_limit_bounding(KEPT);
  /* An execve by root passes inheritable capabilities on despite the bounding set. */
  if (result == 0) result = caps_limit(UINT64_MAX, 0);
  if (result < 0) say("cannot drop capabilities of the agent: %s", strerror(-result));
  result = refuse_io_uring();
  if (result < 0) say("cannot filter io_uring in the agent: %s", strerror(-result));
}
