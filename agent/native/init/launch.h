/* Launching a process that runs a plan, and following it to its end. */
#pragma once

#include "message.h"
#include "table.h"

/* Opens what launches need later. Returns 0 or -errno. */
int launch_prepare(void);
/*
 * Runs a LAUNCH. The first descriptor is the plan; slots and kept descriptors follow. Those the table takes over become
 * -1; the caller closes the rest. Fills in LAUNCHED, or returns false if it is due later, after the plan's `fork`.
 */
bool launch(const struct request *request, int *fds, const struct origin *origin, struct reply *reply);
/* Handles a child of init that has ended and is reaped. */
void launch_ended(pid_t pid, const struct ending *ending);
/* The agent is gone and waits for no answer. Kills each child that has not reached its `fork`. */
void launch_settle(void);
/* The agent forgets the process. Kills it unless the agent has received its LAUNCHED. */
void launch_forget(struct process *process);
/* Moves descriptors into the entry, one for each role of the mask in order; they become -1 in `fds`. */
void launch_keep_fds(struct process *process, uint32_t mask, int *fds);
/* Fills in LAUNCHED; `process` is used if `error` is 0. */
void launch_reply(struct reply *reply, uint64_t id, int error, uint32_t where, uint32_t detail,
                  const struct process *process);
