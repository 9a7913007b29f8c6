#include "server.h"
#include "../caps.h"
#include "../filter.h"
#include <sys/ioctl.h>

int server_filter(void) {
  static const struct abi_instruction code[] = {
      {LOAD, 0, 0, ARCHITECTURE},
      {IF_EQUAL, 1, 0, OWN_ARCHITECTURE},
      {RETURN, 0, 0, REFUSE},
      {LOAD, 0, 0, NUMBER},
      ALLOW(SYS_recvmsg),
      ALLOW(SYS_sendmsg),
      ALLOW(SYS_pread64),
      ALLOW(SYS_pwrite64),
      ALLOW(SYS_statx),
      ALLOW(SYS_close),
      ALLOW(NR_openat2),
      ALLOW(SYS_openat), /* in the working directory, which is /proc/self/fd */
      ALLOW(SYS_getdents64),
      ALLOW(SYS_readlinkat),
      ALLOW(SYS_fcntl), /* F_DUPFD_CLOEXEC */
      ALLOW(SYS_lseek),
      ALLOW(SYS_fstatfs),
      ALLOW(SYS_ftruncate),
      ALLOW(SYS_fchownat),
      ALLOW(SYS_fchmodat), /* the same */
      ALLOW(SYS_utimensat),
      ALLOW(SYS_flistxattr),
      ALLOW(SYS_fgetxattr),
      ALLOW(SYS_fsetxattr),
      ALLOW(SYS_mkdirat),
      ALLOW(SYS_symlinkat),
      ALLOW(SYS_linkat),
      ALLOW(SYS_renameat2),
      ALLOW(SYS_unlinkat),
      ALLOW(SYS_bind),
      ALLOW(SYS_connect),
      ALLOW(SYS_restart_syscall),
      ALLOW(SYS_exit_group),
      {IF_EQUAL, 0, 3, SYS_ioctl},
      {LOAD, 0, 0, SECOND_ARGUMENT},
      {IF_EQUAL, 0, 1, TIOCSPTLCK},
      {RETURN, 0, 0, RET_ALLOW},
      {RETURN, 0, 0, REFUSE},
  };
  return filter_install(code, sizeof code / sizeof *code);
}

int server_confine(int root, uint64_t capabilities) {
  /* A mount of its own, which no ".." leads out of. */
  int links = abi_open_tree(AT_FDCWD, "/proc/self/fd", ABI_OPEN_TREE_CLONE);
  if (links < 0) return -errno;
  if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(links) < 0) return -errno;
  close(links);
  int result = caps_limit(capabilities, 0);
  return result < 0 ? result : server_filter();
}
