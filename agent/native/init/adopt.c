#include "adopt.h"
#include "launch.h"
#include "../common/linux-abi.h"
#include <errno.h>
#include <sys/wait.h>

/*
 * Notes by pid. A launched process can flood init with children (CLONE_PARENT), but the kernel hands out pids in
 * sequence: a note lasts until as many more processes were created, which takes seconds. Unused notes take no memory.
 */
enum { NOTES = 32768 };

static struct {
  pid_t pid; /* 0: unused */
  struct ending ending;
} notes[NOTES];

void adopt_note_exit(pid_t pid, const struct ending *ending) {
  notes[(unsigned)pid % NOTES].pid = pid;
  notes[(unsigned)pid % NOTES].ending = *ending;
}

/* Moves the noted end of a process into its entry, which has no pidfd. */
static int take_note(pid_t pid, struct process *process) {
  unsigned i = (unsigned)pid % NOTES;
  if (notes[i].pid != pid) return -ESRCH;
  notes[i].pid = 0;
  process->pid = pid;
  table_exit(process, &notes[i].ending);
  return 0;
}

static int take_child(pid_t pid, struct process *process) {
  siginfo_t info;
  if (table_by_pid(pid) != NULL) return -EBUSY;
  /* init reaps nothing until the entry is in use; a child that ends meanwhile is a zombie, which has a pidfd. */
  if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) return take_note(pid, process);
  process->pidfd = abi_pidfd_open(pid);
  if (process->pidfd < 0) return -errno;
  process->pid = pid;
  table_change(process, PROCESS_RUNNING);
  return 0;
}

static int run(const struct request *request, int *fds, struct process **process) {
  const struct adopt_request *adopt = &request->adopt;
  if (table_by_id(request->id) != NULL) return -EEXIST;
  *process = table_prepare(request->id, adopt->label, adopt->label_length);
  if (*process == NULL) return -ENOSPC;
  int error = take_child((pid_t)adopt->pid, *process);
  if (error == 0) launch_keep_fds(*process, adopt->keep_mask, fds);
  return error;
}

void adopt(const struct request *request, int *fds, struct reply *reply) {
  struct process *process = NULL;
  int error = run(request, fds, &process);
  launch_reply(reply, request->id, error, WHERE_MESSAGE, 0, process);
}
