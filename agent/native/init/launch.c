#include "launch.h"
#include "adopt.h"
#include "child.h"
#include "fork.h"
#include "../common/linux-abi.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* fcntl(2) on memory files. */
enum { GET_SEALS = 1034, ALL_SEALS = 15 };

static struct stat own_program;

int launch_prepare(void) {
  if (stat("/proc/self/exe", &own_program) < 0) return -errno;
  return fork_prepare();
}

/* Maps a sealed plan. The mapping is private, and only the child makes it writable. */
static int map_plan(int fd, void **base, size_t *size) {
  struct stat file;
  int seals = fcntl(fd, GET_SEALS);
  if (seals < 0) return -errno;
  if ((seals & ALL_SEALS) != ALL_SEALS) return -EPERM;
  if (fstat(fd, &file) < 0) return -errno;
  if (file.st_size <= 0 || file.st_size > PLAN_MAX_BYTES) return -EMSGSIZE;
  *size = (size_t)file.st_size;
  *base = mmap(NULL, *size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  return *base == MAP_FAILED ? -errno : 0;
}

_Noreturn static void enter_child(struct child *child, const struct launch_request *launch, void *base, size_t size,
                                  const struct origin *origin) {
  child->root = child->mount = child->fs = child->mask = -1;
  sigset_t none;
  uint64_t nofile[2] = {origin->nofile_soft, origin->nofile_hard};
  sigemptyset(&none);
  signal(SIGPIPE, SIG_IGN); /* the agent may have closed the report pipe; `find` restores the default */
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (child->plan.forks) fork_unshare();
  child_close_others(child->slots, launch->slots);
  if (launch->cgroup_slot >= 0) close(child->slots[launch->cgroup_slot]); /* used by clone3 only */
  if (origin->oom_changed) write_file("/proc/self/oom_score_adj", origin->oom_score);
  syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, nofile, NULL);
  if (mprotect(base, size, PROT_READ | PROT_WRITE) < 0) {
    child_report(child, REPORT_FAILED, errno);
    _exit(EXIT_NOT_LAUNCHED);
  }
  child_run(child);
}

void launch_keep_fds(struct process *process, uint32_t mask, int *fds) {
  for (unsigned role = 0; role < ROLES; role++) {
    if ((mask >> role & 1) == 0) continue;
    process->kept[role] = *fds;
    *fds++ = -1;
  }
}

/* Moves an entry on to the process that its child has forked. Returns false if the child has not forked. */
static bool follow_fork(struct process *process) {
  pid_t next = *fork_cell(process);
  if (next == 0) return false;
  table_change(process, process->state == PROCESS_CANCELLED ? PROCESS_FORGOTTEN : PROCESS_FORKED);
  process->pid = next;
  int pidfd = abi_pidfd_open(next);
  if (pidfd < 0) {
    kill(next, SIGKILL); /* out of descriptors: the entry keeps the pidfd of the first child, which is gone */
    return true;
  }
  drop_fd(&process->pidfd);
  process->pidfd = pidfd;
  return true;
}

/* Returns the entry whose child forked this process but has not been reaped yet; NULL if there is none. */
static struct process *forked_as(pid_t pid) {
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    if (!process_is(process, IS_UNFORKED) || *fork_cell(process) != pid) continue;
    process->pid = pid;
    return process;
  }
  return NULL;
}

void launch_ended(pid_t pid, const struct ending *ending) {
  struct process *process = table_by_pid(pid);
  if (process != NULL && process_is(process, IS_UNFORKED) && follow_fork(process)) {
    if (process->state == PROCESS_FORGOTTEN) kill(process->pid, SIGKILL);
    return;
  }
  if (process == NULL) process = forked_as(pid);
  if (process == NULL) adopt_note_exit(pid, ending);
  else table_exit(process, ending);
}

void launch_settle(void) {
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    if (process->state == PROCESS_FORKING && !follow_fork(process)) {
      /* The next agent is not told of it, and may launch it again. */
      kill(process->pid, SIGKILL);
      table_forget(process);
    }
    table_answered(process);
  }
}

void launch_forget(struct process *process) {
  if (process_is(process, IS_UNANSWERED & IS_ALIVE)) {
    if (process->state == PROCESS_FORKING) follow_fork(process);
    kill(process->pid, SIGKILL);
  }
  table_forget(process);
}

/* Returns 0 with `process` set, or -errno; sets `where`, and `detail` for a bad plan. */
static int run(const struct request *request, int *fds, const struct origin *origin, struct process **process,
               uint32_t *where, uint32_t *detail) {
  const struct launch_request *launch = &request->launch;
  int *slots = fds + 1;
  struct child child = {.slots = slots, .self = &own_program, .report = slots[launch->report_slot]};
  void *base = MAP_FAILED;
  size_t size = 0;
  *where = WHERE_MESSAGE;
  if (table_by_id(request->id) != NULL) return -EEXIST;
  *process = table_prepare(request->id, launch->label, launch->label_length);
  if (*process == NULL) return -ENOSPC;
  *where = WHERE_PLAN;
  int result = map_plan(fds[0], &base, &size);
  if (result == 0) result = plan_check(base, size, launch->slots, &child.plan, detail);
  if (result == 0) {
    child.born = fork_cell(*process);
    result = fork_child(launch, slots, *process, child.plan.forks, where);
    if (result == 0) enter_child(&child, launch, base, size, origin);
  }
  if (base != MAP_FAILED) munmap(base, size);
  if (result < 0) return result;
  (*process)->pid = result;
  table_change(*process, child.plan.forks ? PROCESS_FORKING : PROCESS_RUNNING);
  launch_keep_fds(*process, launch->keep_mask, slots + launch->slots);
  return 0;
}

void launch_reply(struct reply *reply, uint64_t id, int error, uint32_t where, uint32_t detail,
                  const struct process *process) {
  reply_begin(reply, LAUNCHED, id);
  reply_u32(reply, (uint32_t)error);
  reply_u32(reply, error == 0 ? (uint32_t)process->pid : 0);
  reply_u32(reply, where);
  reply_u32(reply, detail);
  if (error == 0) reply_fd(reply, process->pidfd);
}

bool launch(const struct request *request, int *fds, const struct origin *origin, struct reply *reply) {
  struct process *process = NULL;
  uint32_t where, detail = 0;
  int error = run(request, fds, origin, &process, &where, &detail);
  if (error == 0 && process->state == PROCESS_FORKING) return false;
  launch_reply(reply, request->id, error, where, detail, process);
  return true;
}
