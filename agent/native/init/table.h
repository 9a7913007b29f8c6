/* Everything init keeps for the agent: processes until the agent forgets them, and descriptors by name. */
#pragma once

#include "message.h"

/*
 * The life of an entry. A plan with a `fork` starts a first child, whose own child becomes the process; its launch is
 * answered only then. The legal changes are listed in table.c.
 */
enum process_state {
  PROCESS_FREE,           /* unused entry */
  PROCESS_FORKING,        /* the first child has not reached its `fork`; the agent waits for LAUNCHED */
  PROCESS_CANCELLED,      /* killed before its `fork`, and unknown to the agent */
  PROCESS_FORKED,         /* runs after its `fork`; LAUNCHED is due */
  PROCESS_RUNNING,
  PROCESS_FORGOTTEN,      /* runs, but the agent has forgotten it */
  PROCESS_ENDED_UNKNOWN,  /* has ended; LAUNCHED and EXITED are due */
  PROCESS_ENDED,          /* has ended; EXITED is due */
  PROCESS_ENDED_REPORTED, /* has ended, and the agent knows its status */
  PROCESS_STATES,
};

/* Sets of states, for process_is. */
enum {
  IS_USED = (1 << PROCESS_STATES) - 1 - (1 << PROCESS_FREE),
  IS_UNFORKED = 1 << PROCESS_FORKING | 1 << PROCESS_CANCELLED,
  IS_ENDED = 1 << PROCESS_ENDED_UNKNOWN | 1 << PROCESS_ENDED | 1 << PROCESS_ENDED_REPORTED,
  IS_UNANSWERED = 1 << PROCESS_FORKING | 1 << PROCESS_FORKED | 1 << PROCESS_ENDED_UNKNOWN,
  IS_ALIVE = IS_USED & ~IS_ENDED, /* init has not reaped it */
  IS_KNOWN = IS_USED & ~(1 << PROCESS_CANCELLED) & ~(1 << PROCESS_FORGOTTEN), /* by its id */
};

/* How a process ended. */
struct ending {
  int status; /* of wait(2) */
  uint64_t user_us, system_us, maxrss_kib;
};

struct process {
  enum process_state state; /* changed by table_change alone */
  uint16_t label_length;
  uint64_t id;
  pid_t pid;
  int pidfd; /* -1 if it had ended before init adopted it */
  int kept[ROLES];
  struct ending ending;
};

struct deposit {
  bool used;
  uint8_t length;
  char name[MAX_NAME];
  int fd;
};

static inline bool process_is(const struct process *process, int states) { return states >> process->state & 1; }

/* All entries in use are below this index. */
unsigned table_top(void);
struct process *table_at(unsigned index);
unsigned table_index(const struct process *process);
const uint8_t *table_label(const struct process *process);
/* Returns NULL for an unknown id; a forgotten process no longer has one. */
struct process *table_by_id(uint64_t id);
/* Returns the live process with this pid, or NULL. */
struct process *table_by_pid(pid_t pid);
/* Fills in a free entry, which stays free until its first change of state. Returns NULL if the table is full. */
struct process *table_prepare(uint64_t id, const uint8_t *label, size_t label_length);
/* Moves the process to another state. PROCESS_FREE closes everything the entry holds. */
void table_change(struct process *process, enum process_state next);
/* The agent has been sent its LAUNCHED, or no longer waits for it. */
void table_answered(struct process *process);
/* Closes its descriptors and drops its id; the entry is freed once the process has ended. */
void table_forget(struct process *process);
/* Records the end of a process, or frees the entry if the agent has forgotten it. */
void table_exit(struct process *process, const struct ending *ending);

unsigned deposits_top(void);
struct deposit *deposit_at(unsigned index);
/* Takes ownership of the descriptor on success and replaces one of the same name. Returns 0 or -ENOSPC. */
int deposit_keep(const uint8_t *name, size_t length, int fd);
int deposit_drop(const uint8_t *name, size_t length);
