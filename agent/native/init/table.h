/* What init keeps for the agent: processes until they are forgotten, and named descriptors. */
#ifndef GUESTD_TABLE_H
#define GUESTD_TABLE_H

#include "init.h"
#include "message.h"
#include <sys/resource.h>

struct process {
  bool used, exited, forgotten;
  bool forking;    /* it is to go on as another child, by a `fork` that it has not come to yet */
  bool cut;        /* and is not wanted any more */
  bool unanswered; /* the agent at hand has still to hear of the launch */
  bool owed;       /* and of the exit */
  uint16_t label_length;
  uint64_t id;
  pid_t pid;
  int pidfd;
  int kept[ROLES];
  int status; /* of wait(2) */
  uint64_t user_us, system_us, maxrss_kib;
};

struct deposit {
  bool used;
  uint8_t length;
  char name[MAX_NAME];
  int fd;
};

/* Entries below this index may be in use. */
unsigned table_top(void);
struct process *table_at(unsigned index);
const uint8_t *table_label(const struct process *process);
/* NULL if there is none; a forgotten process has no id any more. */
struct process *table_by_id(uint64_t id);
struct process *table_by_pid(pid_t pid);
/* A fresh entry with nothing open; NULL when the table is full. */
struct process *table_add(uint64_t id, const uint8_t *label, size_t label_length);
/* Closes all that the entry holds and frees it. */
void table_remove(struct process *process);
/* Closes the kept descriptors; the entry goes with the process. */
void table_forget(struct process *process);
void table_exit(struct process *process, int status, const struct rusage *usage);

unsigned deposits_top(void);
struct deposit *deposit_at(unsigned index);
/* Takes the descriptor over on success; 0 or -ENOSPC. */
int deposit_keep(const uint8_t *name, size_t length, int fd);
int deposit_drop(const uint8_t *name, size_t length);

#endif
