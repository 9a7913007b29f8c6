/*
 * For tests only, linked into sys-faults.node by --wrap: makes the n-th system call of the addon fail with an errno
 * that the kernel can return for it, or kill the process. A test controls it through a file that both map, named by GUESTD_FAULTS; see
 * test/attack/faults/fault-control.ts.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

struct control {
  _Atomic uint32_t count;       /* calls since the test set it to 0 */
  _Atomic uint32_t first, last; /* the calls to fail; 0: none */
  _Atomic uint32_t variant;     /* index into a call's errnos */
  _Atomic uint32_t hits;        /* calls that failed */
  _Atomic int32_t error;        /* errno of the last failed call */
  char name[32];                /* the last call that was to fail, even if it has no such variant */
  char only[32];                /* count only calls of this name; empty: all */
  _Atomic uint32_t death;       /* instead of failing, the call kills the process: 1 before it, 2 after it */
};

static struct control *control;
static bool dies;

static void die(void) { kill(getpid(), SIGKILL); }

__attribute__((constructor)) static void open_control(void) {
  const char *path = getenv("GUESTD_FAULTS");
  int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *memory = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED) control = memory;
  close(fd);
}

/* Returns true, with errno set, if this call must fail. `errors` ends with 0. */
static bool fails(const char *name, const int *errors) {
  if (control == NULL || (control->only[0] != '\0' && strcmp(control->only, name) != 0)) return false;
  uint32_t number = ++control->count;
  if (control->first == 0 || number < control->first || number > control->last) return false;
  if (control->death == 1) die();
  dies = control->death == 2;
  if (dies) return false;
  strncpy(control->name, name, sizeof(control->name) - 1);
  for (uint32_t variant = control->variant; *errors != 0; variant--, errors++) {
    if (variant != 0) continue;
    control->hits++;
    control->error = *errors;
    errno = *errors;
    return true;
  }
  return false;
}

#define FAULT(type, failed, name, parameters, arguments, ...)                                                          \
  type __real_##name parameters;                                                                                       \
  type __wrap_##name parameters;                                                                                       \
  type __wrap_##name parameters {                                                                                      \
    static const int errors[] = {__VA_ARGS__, 0};                                                                      \
    if (fails(#name, errors)) return failed;                                                                           \
    type outcome = __real_##name arguments;                                                                            \
    if (dies) die();                                                                                                   \
    return outcome;                                                                                                    \
  }

#define DESCRIPTORS EMFILE, ENFILE, ENOMEM

FAULT(int, -1, accept4, (int fd, struct sockaddr *a, socklen_t *s, int f), (fd, a, s, f), DESCRIPTORS, ECONNABORTED)
FAULT(int, -1, bind, (int fd, const struct sockaddr *a, socklen_t s), (fd, a, s), ENOMEM, EADDRINUSE)
FAULT(int, -1, connect, (int fd, const struct sockaddr *a, socklen_t s), (fd, a, s), ECONNREFUSED, ENOMEM)
FAULT(int, -1, epoll_create1, (int flags), (flags), DESCRIPTORS)
FAULT(ssize_t, -1, fgetxattr, (int fd, const char *n, void *v, size_t s), (fd, n, v, s), EIO, ENOMEM)
FAULT(ssize_t, -1, flistxattr, (int fd, char *n, size_t s), (fd, n, s), EIO, ENOMEM)
FAULT(int, -1, flock, (int fd, int operation), (fd, operation), EAGAIN, ENOLCK)
FAULT(int, -1, fsetxattr, (int fd, const char *n, const void *v, size_t s, int f), (fd, n, v, s, f), ENOSPC, EIO, EPERM)
FAULT(int, -1, fstat, (int fd, struct stat *s), (fd, s), EIO, ENOMEM)
FAULT(int, -1, fstatfs, (int fd, struct statfs *s), (fd, s), EIO, ENOMEM)
FAULT(int, -1, getpeername, (int fd, struct sockaddr *a, socklen_t *s), (fd, a, s), ENOTCONN, ENOBUFS)
FAULT(int, -1, getsockname, (int fd, struct sockaddr *a, socklen_t *s), (fd, a, s), ENOBUFS)
FAULT(int, -1, getsockopt, (int fd, int l, int n, void *v, socklen_t *s), (fd, l, n, v, s), ENOMEM)
FAULT(int, -1, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE, ENOMEM)
FAULT(off_t, -1, lseek, (int fd, off_t o, int whence), (fd, o, whence), EIO)
FAULT(int, -1, memfd_create, (const char *name, unsigned flags), (name, flags), DESCRIPTORS)
FAULT(int, -1, mknodat, (int d, const char *n, mode_t m, dev_t v), (d, n, m, v), ENOSPC, EPERM, EIO)
FAULT(void *, MAP_FAILED, mmap, (void *a, size_t n, int p, int f, int fd, off_t o), (a, n, p, f, fd, o), ENOMEM, EAGAIN)
FAULT(int, -1, pipe2, (int ends[2], int flags), (ends, flags), EMFILE, ENFILE)
FAULT(int, -1, poll, (void *fds, unsigned long count, int timeout), (fds, count, timeout), ENOMEM)
FAULT(ssize_t, -1, pread, (int fd, void *b, size_t n, off_t o), (fd, b, n, o), EIO, ENOMEM)
FAULT(ssize_t, -1, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o), ENOSPC, ENOMEM, EIO)
FAULT(ssize_t, -1, read, (int fd, void *b, size_t n), (fd, b, n), EIO, ENOMEM, EAGAIN, EINTR)
FAULT(ssize_t, -1, recv, (int fd, void *b, size_t n, int f), (fd, b, n, f), ENOMEM, EAGAIN, EINTR)
FAULT(int, -1, recvmmsg, (int fd, void *m, unsigned n, int f, void *t), (fd, m, n, f, t), EIO, ENOMEM, EAGAIN, EINTR)
FAULT(ssize_t, -1, recvmsg, (int fd, struct msghdr *m, int f), (fd, m, f), ENOMEM, EAGAIN, EINTR)
FAULT(int, -1, sendmmsg, (int fd, void *m, unsigned n, int f), (fd, m, n, f), EIO, ENOMEM, EAGAIN, EINTR)
FAULT(ssize_t, -1, sendmsg, (int fd, const struct msghdr *m, int f), (fd, m, f), ENOMEM, EAGAIN, ENOBUFS, ETOOMANYREFS)
FAULT(int, -1, sethostname, (const char *n, size_t s), (n, s), EPERM)
FAULT(int, -1, setns, (int fd, int type), (fd, type), ENOMEM, EPERM)
FAULT(int, -1, setsockopt, (int fd, int l, int n, const void *v, socklen_t s), (fd, l, n, v, s), ENOMEM, EPERM)
FAULT(int, -1, settimeofday, (const void *t, const void *z), (t, z), EPERM)
FAULT(int, -1, socket, (int d, int t, int p), (d, t, p), DESCRIPTORS)
FAULT(int, -1, socketpair, (int d, int t, int p, int ends[2]), (d, t, p, ends), DESCRIPTORS)
FAULT(ssize_t, -1, splice, (int in, off_t *io, int out, off_t *oo, size_t n, unsigned f), (in, io, out, oo, n, f), ENOMEM,
      EIO, EAGAIN)
FAULT(int, -1, swapon, (const char *path, int flags), (path, flags), EPERM, ENOMEM)
FAULT(ssize_t, -1, tee, (int in, int out, size_t n, unsigned f), (in, out, n, f), ENOMEM, EINVAL, EAGAIN)
FAULT(int, -1, unshare, (int flags), (flags), ENOMEM, ENOSPC, EPERM)
FAULT(int, -1, utimensat, (int d, const char *p, const void *t, int f), (d, p, t, f), EIO, EROFS)
FAULT(ssize_t, -1, write, (int fd, const void *b, size_t n), (fd, b, n), EIO, ENOSPC, EAGAIN, EINTR)

/* Variadic calls: all arguments are passed on. */
FAULT(int, -1, ioctl, (int fd, unsigned long request, void *argument), (fd, request, argument), EIO, ENOMEM)
FAULT(int, -1, open, (const char *path, int flags, long mode), (path, flags, mode), DESCRIPTORS, EIO)
FAULT(int, -1, prctl, (int option, long a, long b, long c, long d), (option, a, b, c, d), EPERM)

int __real_fcntl(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument) {
  static const int copies[] = {EMFILE, 0}, sizes[] = {EPERM, ENOMEM, 0}, seals[] = {EPERM, EBUSY, 0};
  bool failed = command == F_DUPFD_CLOEXEC ? fails("dup", copies)
                : command == F_SETPIPE_SZ  ? fails("pipe size", sizes)
                                           : fails("seal", seals);
  return failed ? -1 : __real_fcntl(fd, command, argument);
}

/* Only adding a watch needs memory and counts against a limit. */
int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event) {
  static const int errors[] = {ENOSPC, ENOMEM, 0};
  if (operation == EPOLL_CTL_ADD && fails("epoll_ctl", errors)) return -1;
  return __real_epoll_ctl(set, operation, fd, event);
}

/* Linux frees the number even if close fails. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
  static const int errors[] = {EIO, EINTR, 0};
  bool failed = fails("close", errors);
  int error = errno, status = __real_close(fd);
  if (failed) errno = error;
  return failed ? -1 : status;
}

/* ENOTCONN is reported for a connection that is gone; no kernel reports it and leaves the peer waiting. */
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how) {
  static const int errors[] = {ENOTCONN, 0};
  bool failed = fails("shutdown", errors);
  int status = __real_shutdown(fd, how);
  if (dies) die();
  if (failed) errno = ENOTCONN;
  return failed ? -1 : status;
}

static bool syscall_fails(long number) {
  static const int opens[] = {DESCRIPTORS, EIO, EAGAIN, 0}, mounts[] = {ENOMEM, ENOSPC, EPERM, EIO, 0};
  static const int signals[] = {EPERM, ESRCH, 0}, programs[] = {EPERM, ENOMEM, EMFILE, EAGAIN, 0}, others[] = {ENOMEM, EIO, 0};
  switch (number) {
  case SYS_openat2: return fails("openat2", opens);
  case SYS_pidfd_open: return fails("pidfd_open", opens);
  case SYS_pidfd_send_signal: return fails("pidfd_send_signal", signals);
  case SYS_bpf: return fails("bpf", programs);
  case SYS_mount: return fails("mount", mounts);
  case SYS_umount2: return fails("umount2", mounts);
  case SYS_fsopen: return fails("fsopen", opens);
  case SYS_fsconfig: return fails("fsconfig", mounts);
  case SYS_fsmount: return fails("fsmount", opens);
  case SYS_move_mount: return fails("move_mount", mounts);
  case SYS_open_tree: return fails("open_tree", opens);
  case SYS_mount_setattr: return fails("mount_setattr", mounts);
  default: return fails("syscall", others);
  }
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f) {
  return syscall_fails(number) ? -1 : __real_syscall(number, a, b, c, d, e, f);
}
