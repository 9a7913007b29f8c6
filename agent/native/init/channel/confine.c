#include "confine.h"
#include "../caps.h"
#include "../filter.h"
#include <sys/socket.h>

static int filter(void) {
  static const struct abi_instruction code[] = {
      {LOAD, 0, 0, ARCHITECTURE},
      {IF_EQUAL, 1, 0, OWN_ARCHITECTURE},
      {RETURN, 0, 0, REFUSE},
      {LOAD, 0, 0, NUMBER},
#if defined(SYS_poll)
      ALLOW(SYS_poll),
      ALLOW(SYS_open),
#endif
      ALLOW(SYS_ppoll),
      ALLOW(SYS_read),
      ALLOW(SYS_write),
      ALLOW(SYS_sendto),
      ALLOW(SYS_recvfrom),
      ALLOW(SYS_connect),
      ALLOW(SYS_shutdown),
      ALLOW(SYS_close),
      ALLOW(SYS_openat), /* the port, once the guest has a new one */
      ALLOW(SYS_fcntl),
      ALLOW(SYS_getdents64),
      ALLOW(SYS_getrandom),
      ALLOW(SYS_madvise),
      ALLOW(SYS_nanosleep),
      ALLOW(SYS_clock_nanosleep),
      ALLOW(SYS_restart_syscall),
      ALLOW(SYS_exit_group),
      {IF_EQUAL, 0, 3, SYS_socket},
      {LOAD, 0, 0, FIRST_ARGUMENT},
      {IF_EQUAL, 0, 1, AF_UNIX},
      {RETURN, 0, 0, RET_ALLOW},
      {RETURN, 0, 0, REFUSE},
  };
  return filter_install(code, sizeof code / sizeof *code);
}

int relay_confine(void) {
  int result = caps_limit_bounding(0);
  if (result == 0) result = caps_limit(0, 0);
  return result < 0 ? result : filter();
}
