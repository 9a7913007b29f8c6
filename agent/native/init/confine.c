#include "confine.h"
#include "init.h"
#include "linux-abi.h"
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

enum capability {
  CHOWN = 0,
  DAC_OVERRIDE = 1,
  DAC_READ_SEARCH = 2,
  FOWNER = 3,
  FSETID = 4,
  KILL = 5,
  SETGID = 6,
  SETUID = 7,
  NET_BIND_SERVICE = 10,
  NET_ADMIN = 12,
  NET_RAW = 13,
  SYS_MODULE = 16,
  SYS_PTRACE = 19,
  SYS_ADMIN = 21,
  SYS_NICE = 23,
  SYS_RESOURCE = 24,
  SYS_TIME = 25,
  MKNOD = 27,
  SETFCAP = 31,
};

/* docs/confinement.md says what for. */
static const enum capability KEPT[] = {
    CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER,     FSETID,    KILL,     SETGID,       SETUID,   NET_BIND_SERVICE, NET_ADMIN,
    NET_RAW, SYS_MODULE, SYS_PTRACE,      SYS_ADMIN, SYS_NICE, SYS_RESOURCE, SYS_TIME, MKNOD,            SETFCAP,
};

static bool is_kept(unsigned capability) {
  for (unsigned i = 0; i < sizeof KEPT / sizeof *KEPT; i++) {
    if (KEPT[i] == capability) return true;
  }
  return false;
}

/* EINVAL: beyond the last one that this kernel knows. */
static int drop_bounding(void) {
  for (unsigned capability = 0; capability < 64; capability++) {
    if (is_kept(capability) || prctl(PR_CAPBSET_DROP, (unsigned long)capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? 0 : -errno;
  }
  return 0;
}

/* What an execve by root would hand on in spite of the bounding set. */
static int drop_inheritable(void) {
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half sets[2] = {{0}};
  if (syscall(SYS_capget, &header, sets) < 0) return -errno;
  sets[0].inheritable = sets[1].inheritable = 0;
  return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

/* struct sock_filter and sock_fprog. */
struct instruction {
  uint16_t code;
  uint8_t if_true, if_false;
  uint32_t value;
};
struct program {
  uint16_t length;
  const struct instruction *code;
};

/*
 * libuv makes an io_uring before any JavaScript runs, and calls that go through one pass no filter. ENOSYS is what a kernel
 * without it says: libuv then does without. All else that is refused the agent refuses by itself, by a list of its own.
 */
static int refuse_io_uring(void) {
  enum { LOAD = 0x20, IF_EQUAL = 0x15, RETURN = 0x06, NUMBER = 0, NR_io_uring_setup = 425, FILTER = 22, ENOSYS_OF_FILTER = 38 };
  static const struct instruction code[] = {
      {LOAD, 0, 0, NUMBER},
      {IF_EQUAL, 0, 1, NR_io_uring_setup},
      {RETURN, 0, 0, 0x50000 + ENOSYS_OF_FILTER},
      {RETURN, 0, 0, 0x7fff0000},
  };
  const struct program program = {sizeof code / sizeof *code, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  return prctl(FILTER, 2, &program, 0, 0) < 0 ? -errno : 0; /* PR_SET_SECCOMP, SECCOMP_MODE_FILTER */
}

/* Before execve, as the sets belong to threads: Node has several before its first line of JavaScript runs. */
void confine_agent(void) {
  int result = drop_bounding();
  if (result == 0) result = drop_inheritable();
  if (result < 0) say("cannot take capabilities from the agent: %s", strerror(-result));
  result = refuse_io_uring();
  if (result < 0) say("cannot take io_uring from the agent: %s", strerror(-result));
}
