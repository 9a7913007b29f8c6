/* Operations on what the kernel keeps for a process besides its identity: scheduling, personality, filter of calls. */
#include "child.h"
#include "linux-abi.h"
#include <signal.h>
#include <sys/personality.h>

enum { SCHED_ATTR_WORDS = 6, ABI_IOPRIO_WHO_PROCESS = 1, ABI_SECCOMP_SET_MODE_FILTER = 1 };

/* Argument: struct sched_attr of the first version. */
int op_scheduler(struct child *child, const struct plan_op *op) {
  if (op->arg[1] != SCHED_ATTR_WORDS) return -EINVAL;
  return result_of(syscall(SYS_sched_setattr, 0, child->plan.words + op->arg[0], 0));
}

int op_io_priority(struct child *child, const struct plan_op *op) {
  (void)child;
  return result_of(syscall(SYS_ioprio_set, ABI_IOPRIO_WHO_PROCESS, 0, op->arg[0]));
}

/* Argument: one bit for each processor. */
int op_cpu_affinity(struct child *child, const struct plan_op *op) {
  size_t bytes = op->arg[1] * sizeof *child->plan.words;
  return result_of(syscall(SYS_sched_setaffinity, 0, bytes, child->plan.words + op->arg[0]));
}

int op_personality(struct child *child, const struct plan_op *op) {
  (void)child;
  return result_of(personality(op->arg[0]));
}

/* Arguments: SECCOMP_FILTER_FLAG_*, program. */
int op_seccomp(struct child *child, const struct plan_op *op) {
  struct abi_program program = {.length = (uint16_t)op->arg[2], .instructions = child->plan.words + op->arg[1]};
  return result_of(syscall(SYS_seccomp, ABI_SECCOMP_SET_MODE_FILTER, op->arg[0], &program));
}
