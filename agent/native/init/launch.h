/* Forking a process that runs a launch plan. */
#ifndef GUESTD_LAUNCH_H
#define GUESTD_LAUNCH_H

#include "init.h"
#include "message.h"
#include "table.h"

/* Opens what launches need later (init's own pid namespace). 0 or -errno. */
int launch_prepare(void);
/*
 * Runs a LAUNCH. The first descriptor is the plan, then come slots and kept ones; those that the table takes over
 * become -1, the rest stay the caller's. Fills in the LAUNCHED reply; false: it is owed, for the plan has a `fork`.
 */
bool launch(const struct request *request, int *fds, const struct origin *origin, struct reply *reply);
/* A child of init has ended and is reaped. */
void launch_ended(pid_t pid, int status, const struct rusage *usage);
/* Nothing is owed to the agent at hand any more. A child that has not come to its `fork` is killed, also if it does now. */
void launch_settle(void);
/* The agent does not wait for it any more. It is killed while nobody but init knows it: before its `fork`, or if it does now. */
void launch_give_up(struct process *process);
/* Gives descriptors to the entry by the roles of the mask, one after the other; they become -1. */
void launch_keep_fds(struct process *process, uint32_t mask, int *fds);
/* LAUNCHED; `process` counts when `error` is 0. */
void launch_reply(struct reply *reply, uint64_t id, int error, uint32_t where, uint32_t detail,
                  const struct process *process);

#endif
