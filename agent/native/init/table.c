#include "table.h"
#include <assert.h>
#include <errno.h>

static struct process processes[MAX_PROCESSES];
static uint8_t labels[MAX_PROCESSES][MAX_LABEL];
static unsigned process_top;
static struct deposit deposits[MAX_DEPOSITS];
static unsigned deposit_top;

#define TO(state) (1u << PROCESS_##state)
/* The legal next states of each state. Builds with sanitizers abort on any other change. */
static const unsigned LEGAL[PROCESS_STATES] __attribute__((unused)) = {
    [PROCESS_FREE] = TO(FORKING) | TO(RUNNING) | TO(ENDED),
    [PROCESS_FORKING] = TO(FORKED) | TO(CANCELLED) | TO(ENDED_UNKNOWN),
    [PROCESS_CANCELLED] = TO(FORGOTTEN) | TO(FREE),
    [PROCESS_FORKED] = TO(RUNNING) | TO(FORGOTTEN) | TO(ENDED_UNKNOWN),
    [PROCESS_RUNNING] = TO(FORGOTTEN) | TO(ENDED),
    [PROCESS_FORGOTTEN] = TO(FREE),
    [PROCESS_ENDED_UNKNOWN] = TO(ENDED) | TO(FREE),
    [PROCESS_ENDED] = TO(ENDED_REPORTED) | TO(FREE),
    [PROCESS_ENDED_REPORTED] = TO(FREE),
};

unsigned table_top(void) { return process_top; }
struct process *table_at(unsigned index) { return &processes[index]; }
unsigned table_index(const struct process *process) { return (unsigned)(process - processes); }
const uint8_t *table_label(const struct process *process) { return labels[table_index(process)]; }

struct process *table_by_id(uint64_t id) {
  for (unsigned i = 0; i < process_top; i++) {
    if (process_is(&processes[i], IS_KNOWN) && processes[i].id == id) return &processes[i];
  }
  return NULL;
}

struct process *table_by_pid(pid_t pid) {
  for (unsigned i = 0; i < process_top; i++) {
    if (process_is(&processes[i], IS_ALIVE) && processes[i].pid == pid) return &processes[i];
  }
  return NULL;
}

struct process *table_prepare(uint64_t id, const uint8_t *label, size_t label_length) {
  unsigned index = 0;
  while (index < process_top && process_is(&processes[index], IS_USED)) index++;
  if (index == MAX_PROCESSES) return NULL;
  processes[index] = (struct process){.id = id, .pidfd = -1, .label_length = (uint16_t)label_length};
  for (unsigned role = 0; role < ROLES; role++) processes[index].kept[role] = -1;
  memcpy(labels[index], label, label_length);
  return &processes[index];
}

static void drop_fds(struct process *process) {
  for (unsigned role = 0; role < ROLES; role++) drop_fd(&process->kept[role]);
  drop_fd(&process->pidfd);
}

void table_change(struct process *process, enum process_state next) {
  assert(LEGAL[process->state] >> next & 1);
  process->state = next;
  if (next == PROCESS_FREE) drop_fds(process);
  if (table_index(process) >= process_top) process_top = table_index(process) + 1;
  while (process_top > 0 && !process_is(&processes[process_top - 1], IS_USED)) process_top--;
}

void table_answered(struct process *process) {
  if (process->state == PROCESS_FORKED) table_change(process, PROCESS_RUNNING);
  if (process->state == PROCESS_ENDED_UNKNOWN) table_change(process, PROCESS_ENDED);
}

void table_forget(struct process *process) {
  drop_fds(process);
  if (process_is(process, IS_ENDED)) table_change(process, PROCESS_FREE);
  else table_change(process, process->state == PROCESS_FORKING ? PROCESS_CANCELLED : PROCESS_FORGOTTEN);
}

void table_exit(struct process *process, const struct ending *ending) {
  process->ending = *ending;
  if (process_is(process, IS_UNANSWERED)) table_change(process, PROCESS_ENDED_UNKNOWN);
  else table_change(process, process_is(process, IS_USED & ~IS_KNOWN) ? PROCESS_FREE : PROCESS_ENDED);
}

unsigned deposits_top(void) { return deposit_top; }
struct deposit *deposit_at(unsigned index) { return &deposits[index]; }

static struct deposit *deposit_find(const uint8_t *name, size_t length) {
  for (unsigned i = 0; i < deposit_top; i++) {
    struct deposit *deposit = &deposits[i];
    if (deposit->used && deposit->length == length && memcmp(deposit->name, name, length) == 0) return deposit;
  }
  return NULL;
}

int deposit_drop(const uint8_t *name, size_t length) {
  struct deposit *deposit = deposit_find(name, length);
  if (deposit == NULL) return -ENOENT;
  drop_fd(&deposit->fd);
  deposit->used = false;
  while (deposit_top > 0 && !deposits[deposit_top - 1].used) deposit_top--;
  return 0;
}

int deposit_keep(const uint8_t *name, size_t length, int fd) {
  deposit_drop(name, length);
  unsigned index = 0;
  while (index < deposit_top && deposits[index].used) index++;
  if (index == MAX_DEPOSITS) return -ENOSPC;
  if (index == deposit_top) deposit_top++;
  deposits[index] = (struct deposit){.used = true, .length = (uint8_t)length, .fd = fd};
  memcpy(deposits[index].name, name, length);
  return 0;
}
