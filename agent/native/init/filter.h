/* Instructions of seccomp filters, and their installation. */
#pragma once

#include "../common/linux-abi.h"
#include <sys/prctl.h>

enum { LOAD = 0x20, IF_EQUAL = 0x15, RETURN = 0x06 };
enum { NUMBER = 0, ARCHITECTURE = 4, FIRST_ARGUMENT = 16, SECOND_ARGUMENT = 24 };
enum { RET_ALLOW = 0x7fff0000, RET_ERRNO = 0x50000 };
#define RET_KILL 0x80000000u
#if defined(__aarch64__)
#define OWN_ARCHITECTURE 0xc00000b7u
#else
#define OWN_ARCHITECTURE 0xc000003eu
#endif
/* A sanitizer's own calls, before it reports what it found, must not kill the process. */
#if defined(__SANITIZE_ADDRESS__)
#define REFUSE (RET_ERRNO + EPERM)
#else
#define REFUSE RET_KILL
#endif
#define ALLOW(number) {IF_EQUAL, 0, 1, number}, {RETURN, 0, 0, RET_ALLOW}

/* Filters the calling thread, and what it executes, for good; it gains no privileges any more. Returns 0 or -errno. */
static inline int filter_install(const struct abi_instruction *code, size_t length) {
  const struct abi_program program = {(uint16_t)length, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  return syscall(SYS_seccomp, ABI_SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}
