/* Operations on the process itself: namespaces, descriptors, limits, identity, execution. */
#include "child.h"
#include "linux-abi.h"
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

int op_unshare(struct child *child, const struct plan_op *op) {
  (void)child;
  return result_of(syscall(SYS_unshare, op->arg[0]));
}

int op_setns(struct child *child, const struct plan_op *op) {
  return result_of(syscall(SYS_setns, child_slot(child, op, 0), op->arg[1]));
}

int op_setns_path(struct child *child, const struct plan_op *op) {
  int fd = open(child_string(child, op, 0), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = result_of(syscall(SYS_setns, fd, op->arg[1]));
  close(fd);
  return result;
}

/*
 * Goes on as a new child of init; a pid namespace of its own (CLONE_NEWPID) belongs to the user namespace joined before.
 * By clone, which a seccomp filter may let pass; init knows the new child by the time that it runs.
 */
int op_fork(struct child *child, const struct plan_op *op) {
  if ((op->arg[0] & ~(uint32_t)CLONE_NEWPID) != 0) return -EINVAL;
  unsigned long flags = CLONE_PARENT | CLONE_PARENT_SETTID | op->arg[0];
  long pid = syscall(SYS_clone, flags, NULL, child->born, NULL, NULL);
  if (pid <= 0) return result_of(pid);
  _exit(0);
}

int op_setsid(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  return result_of(setsid());
}

/* Keys belong to no namespace: with a keyring of init's user, every container would reach those of the others. */
int op_session_keyring(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  int result = result_of(syscall(SYS_keyctl, ABI_KEYCTL_JOIN_SESSION_KEYRING, NULL));
  return result == -ENOSYS ? 0 : result;
}

int op_write(struct child *child, const struct plan_op *op) {
  return write_file(child_string(child, op, 0), child_string(child, op, 1));
}

int op_sethostname(struct child *child, const struct plan_op *op) {
  const char *name = child_string(child, op, 0);
  return result_of(syscall(SYS_sethostname, name, strlen(name)));
}

int op_setdomainname(struct child *child, const struct plan_op *op) {
  const char *name = child_string(child, op, 0);
  return result_of(syscall(SYS_setdomainname, name, strlen(name)));
}

int op_chdir(struct child *child, const struct plan_op *op) { return result_of(chdir(child_string(child, op, 0))); }

int op_stdio(struct child *child, const struct plan_op *op) {
  for (int fd = 0; fd < 3; fd++) {
    if (dup2(child_slot(child, op, (unsigned)fd), fd) < 0) return -errno;
  }
  return 0;
}

/* The console is init's until it is taken from it; a pty is nobody's. */
int op_ctty(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  return result_of(ioctl(STDIN_FILENO, TIOCSCTTY, 1));
}

int op_chown_stdio(struct child *child, const struct plan_op *op) {
  (void)child;
  for (int fd = 0; fd < 3; fd++) {
    if (fchown(fd, op->arg[0], op->arg[1]) < 0) continue; /* left as it is, by contract */
  }
  return 0;
}

int op_rlimit(struct child *child, const struct plan_op *op) {
  (void)child;
  uint64_t limits[2] = {plan_u64(op, 1), plan_u64(op, 3)};
  return result_of(syscall(SYS_prlimit64, 0, op->arg[0], limits, NULL));
}

int op_umask(struct child *child, const struct plan_op *op) {
  (void)child;
  umask(op->arg[0] & 0777);
  return 0;
}

int op_bounding(struct child *child, const struct plan_op *op) {
  (void)child;
  uint64_t mask = plan_u64(op, 0);
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((mask >> capability & 1) != 0 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    return errno == EINVAL ? 0 : -errno; /* EINVAL: beyond the last one that this kernel knows */
  }
  return 0;
}

int op_keepcaps(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  return result_of(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
}

int op_user(struct child *child, const struct plan_op *op) {
  const uint64_t *words = child->plan.words + op->arg[2];
  uint32_t *groups = (uint32_t *)(child->plan.words + op->arg[2]);
  for (uint32_t i = 0; i < op->arg[3]; i++) {
    uint32_t group = (uint32_t)words[i];
    memcpy(&groups[i], &group, sizeof group); /* packed in place: a group is half a word */
  }
  if (syscall(SYS_setgroups, (size_t)op->arg[3], groups) < 0) return -errno;
  if (syscall(SYS_setresgid, op->arg[1], op->arg[1], op->arg[1]) < 0) return -errno;
  return result_of(syscall(SYS_setresuid, op->arg[0], op->arg[0], op->arg[0]));
}

int op_capset(struct child *child, const struct plan_op *op) {
  (void)child;
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half sets[2] = {{op->arg[0], op->arg[2], op->arg[4]}, {op->arg[1], op->arg[3], op->arg[5]}};
  return result_of(syscall(SYS_capset, &header, sets));
}

int op_drop(struct child *child, const struct plan_op *op) {
  (void)child;
  struct abi_cap_header header = {.version = ABI_CAP_VERSION};
  struct abi_cap_half sets[2] = {{0}};
  if (syscall(SYS_capget, &header, sets) < 0) return -errno;
  for (int half = 0; half < 2; half++) {
    sets[half].effective &= op->arg[half];
    sets[half].permitted &= op->arg[half];
    sets[half].inheritable &= op->arg[half];
  }
  return result_of(syscall(SYS_capset, &header, sets));
}

int op_ambient(struct child *child, const struct plan_op *op) {
  (void)child;
  uint64_t mask = plan_u64(op, 0);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((mask >> capability & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -errno;
  }
  return 0;
}

int op_no_new_privs(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  return result_of(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* Any other error is a seccomp filter's: then execve finds out. */
static bool may_execute(const char *path) {
  return abi_faccessat2(AT_FDCWD, path, X_OK, ABI_AT_EACCESS) == 0 || errno != EACCES;
}

int op_find(struct child *child, const struct plan_op *op) {
  char *const *candidates = child_strings(child, op->arg[0], op->arg[1]);
  int result = -ENOENT;
  for (uint32_t i = 0; i < op->arg[1]; i++) {
    struct stat found;
    if (fstatat(AT_FDCWD, candidates[i], &found, 0) < 0) {
      if (errno == EACCES) result = -EACCES;
      continue;
    }
    /* /proc/self/exe is init until the child executes something else */
    bool own = found.st_dev == child->self->st_dev && found.st_ino == child->self->st_ino;
    if (!own && S_ISREG(found.st_mode) && may_execute(candidates[i])) {
      child->executable = candidates[i];
      signal(SIGPIPE, SIG_DFL); /* not in `exec`: a seccomp filter may not let it */
      return 0;
    }
    result = -EACCES;
  }
  return result;
}

/* What the plan was for is done, and there is nothing to run. */
int op_exit(struct child *child, const struct plan_op *op) {
  (void)child, (void)op;
  _exit(0);
}

int op_wait(struct child *child, const struct plan_op *op) {
  char byte;
  ssize_t length;
  const int kept[] = {child->report, child_slot(child, op, 0)};
  /* Complete, it may wait for long where others of the pod see it. */
  if (child->executable != NULL) child_close_others(kept, 2);
  child_report(child, REPORT_READY, 0);
  do length = read(child_slot(child, op, 0), &byte, 1);
  while (length < 0 && errno == EINTR);
  if (length == 0) _exit(EXIT_NOT_LAUNCHED);
  return result_of(length);
}

int op_exec(struct child *child, const struct plan_op *op) {
  char *const *args = child_strings(child, op->arg[0], op->arg[1]);
  char *const *env = child_strings(child, op->arg[2], op->arg[3]);
  if (child->executable == NULL) return -EINVAL;
  execve(child->executable, args, env);
  return -errno;
}
