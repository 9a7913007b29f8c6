/* Operations on a process's limits, identity, capabilities, scheduling, personality and system call filter. */
#include "../common/linux-abi.h"
#include "caps.h"
#include "child.h"
#include <sys/personality.h>
#include <sys/prctl.h>

enum { SCHED_ATTR_WORDS = 6, ABI_IOPRIO_WHO_PROCESS = 1 };

OPERATION(rlimit) {
  uint64_t limits[2] = {plan_u64(op, 1), plan_u64(op, 3)};
  return result_of(syscall(SYS_prlimit64, 0, op->arg[0], limits, NULL));
}

OPERATION(umask) {
  umask(op->arg[0] & 0777);
  return 0;
}

OPERATION(bounding) { return caps_limit_bounding(plan_u64(op, 0)); }
OPERATION(keepcaps) { return result_of(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)); }

OPERATION(user) {
  const uint64_t *words = child->plan.words + op->arg[2];
  uint32_t *groups = (uint32_t *)(child->plan.words + op->arg[2]);
  for (uint32_t i = 0; i < op->arg[3]; i++) {
    uint32_t group = (uint32_t)words[i];
    memcpy(&groups[i], &group, sizeof group); /* in place: a group takes half a word */
  }
  if (syscall(SYS_setgroups, (size_t)op->arg[3], groups) < 0) return -errno;
  if (syscall(SYS_setresgid, op->arg[1], op->arg[1], op->arg[1]) < 0) return -errno;
  return result_of(syscall(SYS_setresuid, op->arg[0], op->arg[0], op->arg[0]));
}

OPERATION(capset) { return caps_set(plan_u64(op, 0), plan_u64(op, 2), plan_u64(op, 4)); }
OPERATION(drop) { return caps_limit(plan_u64(op, 0), plan_u64(op, 0)); }

OPERATION(ambient) {
  uint64_t mask = plan_u64(op, 0);
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return -errno;
  for (unsigned long capability = 0; capability < 64; capability++) {
    if ((mask >> capability & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0) return -errno;
  }
  return 0;
}

OPERATION(no_new_privs) { return result_of(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)); }

/* Argument: the first version of struct sched_attr. */
OPERATION(scheduler) {
  if (op->arg[1] != SCHED_ATTR_WORDS) return -EINVAL;
  return result_of(syscall(SYS_sched_setattr, 0, child->plan.words + op->arg[0], 0));
}

OPERATION(io_priority) { return result_of(syscall(SYS_ioprio_set, ABI_IOPRIO_WHO_PROCESS, 0, op->arg[0])); }

/* Argument: a bit set of processors. */
OPERATION(cpu_affinity) {
  size_t bytes = op->arg[1] * sizeof *child->plan.words;
  return result_of(syscall(SYS_sched_setaffinity, 0, bytes, child->plan.words + op->arg[0]));
}

OPERATION(personality) { return result_of(personality(op->arg[0])); }

/* Arguments: SECCOMP_FILTER_FLAG_*, program. */
OPERATION(seccomp) {
  const void *instructions = child->plan.words + op->arg[1]; /* one in each word */
  struct abi_program program = {.length = (uint16_t)op->arg[2], .instructions = instructions};
  return result_of(syscall(SYS_seccomp, ABI_SECCOMP_SET_MODE_FILTER, op->arg[0], &program));
}
