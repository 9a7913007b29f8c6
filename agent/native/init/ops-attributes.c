/* Operations on scheduling, personality and system call filter. */
#include "child.h"
#include "../common/linux-abi.h"
#include <sys/personality.h>

enum { SCHED_ATTR_WORDS = 6, ABI_IOPRIO_WHO_PROCESS = 1 };

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
