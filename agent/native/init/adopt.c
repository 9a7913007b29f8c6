#include "adopt.h"
#include "launch.h"
#include "linux-abi.h"
#include "table.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

/*
 * By pid: a process that init has forked can flood init with children of its own (CLONE_PARENT). Pids are given out one after
 * the other, so a note is good until as many more processes have been made: for seconds, however slow the agent is just then.
 * Memory is there only for notes that were made.
 */
enum { NOTED = 32768 };

static struct {
  pid_t pid; /* 0: none */
  int status;
  struct timeval user, system;
  long maxrss;
} noted[NOTED];

void adopt_note_exit(pid_t pid, int status, const struct rusage *usage) {
  unsigned i = (unsigned)pid % NOTED;
  noted[i].pid = pid;
  noted[i].status = status;
  noted[i].user = usage->ru_utime;
  noted[i].system = usage->ru_stime;
  noted[i].maxrss = usage->ru_maxrss;
}

/* The last end of a process with this number becomes the entry's, and is noted no more. */
static int take_note(pid_t pid, struct process *process) {
  unsigned i = (unsigned)pid % NOTED;
  if (noted[i].pid != pid) return -ESRCH;
  noted[i].pid = 0;
  /* No pidfd can be had of a process that is gone; a descriptor that nothing can be signalled by stands in. */
  process->pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (process->pidfd < 0) return -errno;
  process->pid = pid;
  const struct rusage usage = {.ru_utime = noted[i].user, .ru_stime = noted[i].system, .ru_maxrss = noted[i].maxrss};
  table_exit(process, noted[i].status, &usage);
  return 0;
}

static int take_child(pid_t pid, struct process *process) {
  siginfo_t info;
  if (table_by_pid(pid) != NULL) return -EBUSY;
  /* Nothing is reaped between this and the entry: a child that has ended meanwhile is a zombie, which has a pidfd. */
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return take_note(pid, process);
  process->pidfd = abi_pidfd_open(pid);
  if (process->pidfd < 0) return -errno;
  process->pid = pid;
  return 0;
}

static int run(const struct request *request, int *fds, struct process **process) {
  const struct adopt_request *adopt = &request->adopt;
  if (table_by_id(request->id) != NULL) return -EEXIST;
  *process = table_add(request->id, adopt->label, adopt->label_length);
  if (*process == NULL) return -ENOSPC;
  int error = take_child((pid_t)adopt->pid, *process);
  if (error < 0)
    table_remove(*process);
  else
    launch_keep_fds(*process, adopt->keep_mask, fds);
  return error;
}

void adopt(const struct request *request, int *fds, struct reply *reply) {
  struct process *process = NULL;
  int error = run(request, fds, &process);
  launch_reply(reply, request->id, error, WHERE_MESSAGE, 0, process);
}
