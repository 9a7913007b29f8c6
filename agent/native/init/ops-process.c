/* Operations on namespaces, session, descriptors and execution. */
#include "../common/linux-abi.h"
#include "child.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>

OPERATION(unshare) { return result_of(syscall(SYS_unshare, op->arg[0])); }

OPERATION(setns) { return result_of(syscall(SYS_setns, child_slot(child, op, 0), op->arg[1])); }

OPERATION(setns_path) {
  int fd = open(child_string(child, op, 0), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = result_of(syscall(SYS_setns, fd, op->arg[1]));
  close(fd);
  return result;
}

/*
 * Continues as a new child of init. With CLONE_NEWPID it starts a pid namespace, owned by the user namespace joined
 * before. A seccomp filter allows clone more often than clone3. The cell is set before the new child runs.
 */
OPERATION(fork) {
  if ((op->arg[0] & ~(uint32_t)CLONE_NEWPID) != 0) return -EINVAL;
  unsigned long flags = CLONE_PARENT | CLONE_PARENT_SETTID | op->arg[0];
  long pid = syscall(SYS_clone, flags, NULL, child->born, NULL, NULL);
  if (pid <= 0) return result_of(pid);
  _exit(0);
}

OPERATION(setsid) { return result_of(setsid()); }

/* Keys have no namespace: with the session keyring of init's user, containers could reach each other's keys. */
OPERATION(session_keyring) {
  int result = result_of(syscall(SYS_keyctl, ABI_KEYCTL_JOIN_SESSION_KEYRING, NULL));
  return result == -ENOSYS ? 0 : result;
}

OPERATION(write) { return write_file(child_string(child, op, 0), child_string(child, op, 1)); }

static int set_name(long call, const char *name) { return result_of(syscall(call, name, strlen(name))); }
OPERATION(sethostname) { return set_name(SYS_sethostname, child_string(child, op, 0)); }
OPERATION(setdomainname) { return set_name(SYS_setdomainname, child_string(child, op, 0)); }
OPERATION(chdir) { return result_of(chdir(child_string(child, op, 0))); }

OPERATION(stdio) {
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(child_slot(child, op, (unsigned)fd), fd) < 0) return -errno;
  }
  return 0;
}

/* Takes the console from init, which owns it; a pty has no owner yet. */
OPERATION(ctty) { return result_of(ioctl(STDIN_FILENO, TIOCSCTTY, 1)); }

OPERATION(chown_stdio) {
  for (int fd = 0; fd < 3; fd++) {
    if (fchown(fd, op->arg[0], op->arg[1]) < 0) continue; /* the contract ignores failures */
  }
  return 0;
}

/* Any error but EACCES comes from a seccomp filter: then execve decides. */
static bool may_execute(const char *path) {
  return abi_faccessat2(AT_FDCWD, path, X_OK, ABI_AT_EACCESS) == 0 || errno != EACCES;
}

OPERATION(find) {
  char *const *candidates = child_strings(child, op->arg[0], op->arg[1]);
  int result = -ENOENT;
  for (uint32_t i = 0; i < op->arg[1]; i++) {
    struct stat found;
    if (fstatat(AT_FDCWD, candidates[i], &found, 0) < 0) {
      if (errno == EACCES) result = -EACCES;
      continue;
    }
    /* through /proc/self/exe a container would execute init */
    bool own = found.st_dev == child->self->st_dev && found.st_ino == child->self->st_ino;
    if (!own && S_ISREG(found.st_mode) && may_execute(candidates[i])) {
      child->executable = candidates[i];
      signal(SIGPIPE, SIG_DFL); /* here, since a seccomp filter may forbid it in `exec` */
      return 0;
    }
    result = -EACCES;
  }
  return result;
}

/* Ends a plan that executes nothing. */
OPERATION(exit) {
  _exit(0);
}

OPERATION(wait) {
  char byte;
  ssize_t length;
  const int kept[] = {child->report, child_slot(child, op, 0)};
  /* A complete process may wait for long, visible to other processes of the pod. */
  if (child->executable != NULL) child_close_others(kept, 2);
  child_report(child, REPORT_READY, 0);
  do length = read(child_slot(child, op, 0), &byte, 1);
  while (length < 0 && errno == EINTR);
  if (length == 0) _exit(EXIT_NOT_LAUNCHED);
  return result_of(length);
}

OPERATION(exec) {
  char *const *args = child_strings(child, op->arg[0], op->arg[1]);
  char *const *env = child_strings(child, op->arg[2], op->arg[3]);
  if (child->executable == NULL) return -EINVAL;
  execve(child->executable, args, env);
  return -errno;
}
