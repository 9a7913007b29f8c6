#include "launch.h"
#include "adopt.h"
#include "child.h"
#include "linux-abi.h"
#include "table.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* fcntl(2): of memory files. */
enum { GET_SEALS = 1034, ALL_SEALS = 15 };

static int own_pidns = -1;
static struct stat own_program;
/* By entries of the table: as whom the child goes on. Shared with one that has a `fork` in its plan, until then, and with no other. */
static pid_t *born;
enum { BORN_BYTES = MAX_PROCESSES * sizeof(pid_t) };

struct outcome {
  int error;
  uint32_t where, detail;
  struct process *process;
};

int launch_prepare(void) {
  own_pidns = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
  born = mmap(NULL, BORN_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return own_pidns < 0 || born == MAP_FAILED || madvise(born, BORN_BYTES, MADV_DONTFORK) < 0 ||
                 stat("/proc/self/exe", &own_program) < 0
             ? -errno
             : 0;
}

/* Maps a sealed plan; the mapping is private, and the child alone makes it writable. */
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
  sigset_t none;
  uint64_t nofile[2] = {origin->nofile_soft, origin->nofile_hard};
  sigemptyset(&none);
  signal(SIGPIPE, SIG_IGN); /* a report that nobody reads any more; `find` puts it back */
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (child->plan.forks) madvise(born, BORN_BYTES, MADV_DONTFORK);
  child_close_others(child->slots, launch->slots);
  if (launch->cgroup_slot >= 0) close(child->slots[launch->cgroup_slot]); /* it was for clone3 */
  if (origin->oom_changed) write_file("/proc/self/oom_score_adj", origin->oom_score);
  syscall(SYS_prlimit64, 0, 7 /* RLIMIT_NOFILE */, nofile, NULL);
  if (mprotect(base, size, PROT_READ | PROT_WRITE) < 0) {
    child_report(child, REPORT_FAILED, errno);
    _exit(EXIT_NOT_LAUNCHED);
  }
  child_run(child);
}

/* Forks. Returns the pid, 0 in the child, or -errno with `where` set. */
static pid_t clone_child(const struct launch_request *launch, const int *slots, int *pidfd, uint32_t *where) {
  struct abi_clone_args args = {
      .flags = ABI_CLONE_PIDFD | (launch->flags & 1 ? ABI_CLONE_NEWPID : 0),
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .exit_signal = SIGCHLD,
  };
  if (launch->cgroup_slot >= 0) {
    args.flags |= ABI_CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)slots[launch->cgroup_slot];
  }
  if (launch->pidns_slot >= 0 && syscall(SYS_setns, slots[launch->pidns_slot], ABI_CLONE_NEWPID) < 0) {
    *where = WHERE_PIDNS;
    return -errno;
  }
  pid_t pid = abi_clone3(&args);
  if (pid == 0) return 0;
  int error = errno;
  if (launch->pidns_slot >= 0 && syscall(SYS_setns, own_pidns, ABI_CLONE_NEWPID) < 0) {
    say("cannot go back to my own pid namespace: %s; launches would go astray, so I stop", strerror(errno));
    abort();
  }
  *where = pid < 0 ? WHERE_CLONE : WHERE_OK;
  return pid < 0 ? -error : pid;
}

void launch_keep_fds(struct process *process, uint32_t mask, int *fds) {
  for (unsigned role = 0; role < ROLES; role++) {
    if ((mask >> role & 1) == 0) continue;
    process->kept[role] = *fds;
    *fds++ = -1;
  }
}

/* The process that a child has forked takes its place; false when it has come to none. */
static bool follow_fork(struct process *process) {
  pid_t next = born[process - table_at(0)];
  process->forking = false;
  if (next == 0) return false;
  process->pid = next;
  int pidfd = abi_pidfd_open(next);
  if (pidfd < 0) {
    kill(next, SIGKILL); /* out of descriptors; the old one is that of a process that is gone */
    return true;
  }
  drop_fd(&process->pidfd);
  process->pidfd = pidfd;
  return true;
}

/* The entry whose child went on as this one, of which nobody has seen more than the end. */
static struct process *born_as(pid_t pid) {
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    if (!process->used || !process->forking || born[i] != pid) continue;
    process->pid = pid;
    return process;
  }
  return NULL;
}

void launch_ended(pid_t pid, int status, const struct rusage *usage) {
  struct process *process = table_by_pid(pid);
  if (process != NULL && process->forking && follow_fork(process)) {
    if (process->cut) kill(process->pid, SIGKILL);
    return;
  }
  if (process == NULL) process = born_as(pid);
  if (process == NULL) {
    adopt_note_exit(pid, status, usage); /* an orphan of someone's */
    return;
  }
  process->forking = false;
  table_exit(process, status, usage);
}

void launch_settle(void) {
  for (unsigned i = 0; i < table_top(); i++) {
    struct process *process = table_at(i);
    if (!process->used) continue;
    process->unanswered = false;
    if (!process->forking || process->forgotten) continue;
    if (born[i] != 0) {
      follow_fork(process);
      continue;
    }
    /* Of one that has not become what it was to be nobody is told: the next agent may have it made again. */
    kill(process->pid, SIGKILL);
    process->cut = true;
    table_forget(process);
  }
}

void launch_give_up(struct process *process) {
  if (!process->unanswered || process->exited) return;
  if (process->forking && born[process - table_at(0)] != 0) follow_fork(process);
  process->cut = process->forking;
  kill(process->pid, SIGKILL);
}

static struct outcome refuse(int error, uint32_t where) { return (struct outcome){.error = error, .where = where}; }

static struct outcome run(const struct request *request, int *fds, const struct origin *origin) {
  const struct launch_request *launch = &request->launch;
  int *slots = fds + 1;
  void *base = MAP_FAILED;
  size_t size = 0;
  struct outcome outcome = {0};
  struct child child = {.slots = slots,
                        .self = &own_program,
                        .report = slots[launch->report_slot],
                        .root = -1,
                        .mount = -1,
                        .fs = -1,
                        .mask = -1};
  if (table_by_id(request->id) != NULL) return refuse(-EEXIST, WHERE_MESSAGE);
  outcome.error = map_plan(fds[0], &base, &size);
  if (outcome.error == 0) outcome.error = plan_check(base, size, launch->slots, &child.plan, &outcome.detail);
  if (outcome.error != 0) {
    outcome.where = WHERE_PLAN;
    goto out;
  }
  outcome.process = table_add(request->id, launch->label, launch->label_length);
  if (outcome.process == NULL) {
    outcome = refuse(-ENOSPC, WHERE_MESSAGE);
    goto out;
  }
  child.born = &born[outcome.process - table_at(0)];
  *child.born = 0;
  if (child.plan.forks) madvise(born, BORN_BYTES, MADV_DOFORK);
  pid_t pid = clone_child(launch, slots, &outcome.process->pidfd, &outcome.where);
  if (child.plan.forks) madvise(born, BORN_BYTES, MADV_DONTFORK);
  if (pid == 0) enter_child(&child, launch, base, size, origin);
  if (pid < 0) {
    table_remove(outcome.process);
    outcome.error = pid;
    goto out;
  }
  outcome.process->pid = pid;
  outcome.process->forking = outcome.process->unanswered = child.plan.forks;
  launch_keep_fds(outcome.process, launch->keep_mask, slots + launch->slots);
out:
  if (base != MAP_FAILED) munmap(base, size);
  return outcome;
}

void launch_reply(struct reply *reply, uint64_t id, int error, uint32_t where, uint32_t detail,
                  const struct process *process) {
  reply_begin(reply, LAUNCHED, id);
  reply_u32(reply, (uint32_t)error);
  reply_u32(reply, error == 0 ? (uint32_t)process->pid : 0);
  reply_u32(reply, where);
  reply_u32(reply, detail);
  if (error == 0) reply->fds[reply->fd_count++] = process->pidfd;
}

bool launch(const struct request *request, int *fds, const struct origin *origin, struct reply *reply) {
  struct outcome outcome = run(request, fds, origin);
  if (outcome.error == 0 && outcome.process->unanswered) return false;
  launch_reply(reply, request->id, outcome.error, outcome.where, outcome.detail, outcome.process);
  return true;
}
