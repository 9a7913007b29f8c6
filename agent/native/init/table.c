#include "table.h"
#include <errno.h>
#include <string.h>

static struct process processes[MAX_PROCESSES];
static uint8_t labels[MAX_PROCESSES][MAX_LABEL];
static unsigned process_top;
static struct deposit deposits[MAX_DEPOSITS];
static unsigned deposit_top;

unsigned table_top(void) { return process_top; }
struct process *table_at(unsigned index) {
  return &processes[index];
}
const uint8_t *table_label(const struct process *process) { return labels[process - processes]; }

struct process *table_by_id(uint64_t id) {
  for (unsigned i = 0; i < process_top; i++) {
    struct process *process = &processes[i];
    if (process->used && !process->forgotten && process->id == id) return process;
  }
  return NULL;
}

struct process *table_by_pid(pid_t pid) {
  for (unsigned i = 0; i < process_top; i++) {
    struct process *process = &processes[i];
    if (process->used && !process->exited && process->pid == pid) return process;
  }
  return NULL;
}

struct process *table_add(uint64_t id, const uint8_t *label, size_t label_length) {
  unsigned index = 0;
  while (index < process_top && processes[index].used) index++;
  if (index == MAX_PROCESSES) return NULL;
  if (index == process_top) process_top++;
  struct process *process = &processes[index];
  *process = (struct process){.used = true, .id = id, .pidfd = -1, .label_length = (uint16_t)label_length};
  for (unsigned role = 0; role < ROLES; role++) process->kept[role] = -1;
  memcpy(labels[index], label, label_length);
  return process;
}

void table_remove(struct process *process) {
  for (unsigned role = 0; role < ROLES; role++) drop_fd(&process->kept[role]);
  drop_fd(&process->pidfd);
  process->used = false;
  while (process_top > 0 && !processes[process_top - 1].used) process_top--;
}

void table_forget(struct process *process) {
  if (process->exited) {
    table_remove(process);
    return;
  }
  for (unsigned role = 0; role < ROLES; role++) drop_fd(&process->kept[role]);
  drop_fd(&process->pidfd);
  process->forgotten = true;
}

static uint64_t micros(const struct timeval *t) { return (uint64_t)t->tv_sec * 1000000 + (uint64_t)t->tv_usec; }

void table_exit(struct process *process, int status, const struct rusage *usage) {
  if (process->forgotten) {
    table_remove(process);
    return;
  }
  process->exited = true;
  process->owed = true;
  process->status = status;
  process->user_us = micros(&usage->ru_utime);
  process->system_us = micros(&usage->ru_stime);
  process->maxrss_kib = (uint64_t)usage->ru_maxrss;
}

unsigned deposits_top(void) { return deposit_top; }
struct deposit *deposit_at(unsigned index) {
  return &deposits[index];
}

static struct deposit *deposit_find(const uint8_t *name, size_t length) {
  for (unsigned i = 0; i < deposit_top; i++) {
    struct deposit *deposit = &deposits[i];
    if (deposit->used && deposit->length == length && memcmp(deposit->name, name, length) == 0) return deposit;
  }
  return NULL;
}

int deposit_keep(const uint8_t *name, size_t length, int fd) {
  struct deposit *deposit = deposit_find(name, length);
  if (deposit != NULL) {
    drop_fd(&deposit->fd);
    deposit->fd = fd;
    return 0;
  }
  unsigned index = 0;
  while (index < deposit_top && deposits[index].used) index++;
  if (index == MAX_DEPOSITS) return -ENOSPC;
  if (index == deposit_top) deposit_top++;
  deposit = &deposits[index];
  *deposit = (struct deposit){.used = true, .length = (uint8_t)length, .fd = fd};
  memcpy(deposit->name, name, length);
  return 0;
}

int deposit_drop(const uint8_t *name, size_t length) {
  struct deposit *deposit = deposit_find(name, length);
  if (deposit == NULL) return -ENOENT;
  drop_fd(&deposit->fd);
  deposit->used = false;
  while (deposit_top > 0 && !deposits[deposit_top - 1].used) deposit_top--;
  return 0;
}
