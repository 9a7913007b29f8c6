#include "fork.h"
#include "../common/linux-abi.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

static int own_pidns = -1;
/* By index of the process table. No child inherits the mapping unless its plan has a `fork`. */
static pid_t *cells;
enum { CELL_BYTES = MAX_PROCESSES * sizeof *cells };

int fork_prepare(void) {
  own_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  cells = mmap(NULL, CELL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return own_pidns < 0 || cells == MAP_FAILED || madvise(cells, CELL_BYTES, MADV_DONTFORK) < 0 ? -errno : 0;
}

void fork_unshare(void) { madvise(cells, CELL_BYTES, MADV_DONTFORK); }
pid_t *fork_cell(const struct process *process) { return &cells[table_index(process)]; }

/* clone3, with the cells inherited if the child's plan forks. */
static pid_t clone_sharing(const struct abi_clone_args *args, bool forks) {
  if (forks) madvise(cells, CELL_BYTES, MADV_DOFORK);
  pid_t pid = abi_clone3(args);
  int error = errno;
  if (forks && pid != 0) fork_unshare();
  return pid < 0 ? -error : pid;
}

pid_t fork_child(const struct launch_request *launch, const int *slots, struct process *process, bool forks,
                 uint32_t *where) {
  struct abi_clone_args args = {
      .flags = ABI_CLONE_PIDFD | (launch->flags & 1 ? ABI_CLONE_NEWPID : 0),
      .pidfd = (uint64_t)(uintptr_t)&process->pidfd,
      .exit_signal = SIGCHLD,
  };
  if (launch->cgroup_slot >= 0) {
    args.flags |= ABI_CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)slots[launch->cgroup_slot];
  }
  *fork_cell(process) = 0;
  if (launch->pidns_slot >= 0 && syscall(SYS_setns, slots[launch->pidns_slot], ABI_CLONE_NEWPID) < 0) {
    *where = WHERE_PIDNS;
    return -errno;
  }
  pid_t pid = clone_sharing(&args, forks);
  if (pid == 0) return 0;
  if (launch->pidns_slot >= 0 && syscall(SYS_setns, own_pidns, ABI_CLONE_NEWPID) < 0) {
    say("cannot return to init's own pid namespace: %s; aborting, or children would start in the wrong one",
        strerror(errno));
    abort();
  }
  *where = pid < 0 ? WHERE_CLONE : WHERE_OK;
  return pid;
}
