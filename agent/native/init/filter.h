/* Instructions of seccomp filters that allow a list of system calls. */
#pragma once

#include "../common/linux-abi.h"

enum { LOAD = 0x20, IF_EQUAL = 0x15, RETURN = 0x06 };
enum { NUMBER = 0, ARCHITECTURE = 4, FIRST_ARGUMENT = 16, SECOND_ARGUMENT = 24 };
enum { RET_ALLOW = 0x7fff0000, RET_ERRNO_EPERM = 0x50001 };
#define RET_KILL 0x80000000u
#if defined(__aarch64__)
#define OWN_ARCHITECTURE 0xc00000b7u
#else
#define OWN_ARCHITECTURE 0xc000003eu
#endif
/* A sanitizer's own calls, before it reports what it found, must not kill the process. */
#if defined(__SANITIZE_ADDRESS__)
#define REFUSE RET_ERRNO_EPERM
#else
#define REFUSE RET_KILL
#endif
#define ALLOW(number) {IF_EQUAL, 0, 1, number}, {RETURN, 0, 0, RET_ALLOW}
