#include "adopt.h"
#include "launch.h"
#include "linux-abi.h"
#include "table.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

enum { NOTED = 64 };

static struct {
  pid_t pid; /* 0: none */
  int status;
  struct rusage usage;
} noted[NOTED];
static unsigned next_note;

void adopt_note_exit(pid_t pid, int status, const struct rusage *usage) {
  noted[next_note].pid = pid;
  noted[next_note].status = status;
  noted[next_note].usage = *usage;
  next_note = (next_note + 1) % NOTED;
}

/* The last end of a process with this number becomes the entry's, and is noted no more. */
static int take_note(pid_t pid, struct process *process) {
  for (unsigned back = 1; back <= NOTED; back++) {
    unsigned i = (next_note + NOTED - back) % NOTED;
    if (noted[i].pid != pid) continue;
    noted[i].pid = 0;
    /* No pidfd can be had of a process that is gone; a descriptor that nothing can be signalled by stands in. */
    process->pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (process->pidfd < 0) return -errno;
    process->pid = pid;
    table_exit(process, noted[i].status, &noted[i].usage);
    return 0;
  }
  return -ESRCH;
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
