/* Forking the child of a launch. */
#pragma once

#include "message.h"
#include "table.h"

/* Opens init's pid namespace and maps the cells. Returns 0 or -errno. */
int fork_prepare(void);
/*
 * Forks the child of `process` into the pid namespace and cgroup that the launch names, and sets its pidfd. If its plan
 * `forks`, the child shares init's cells until it calls fork_unshare. Returns the pid, 0 in the child, or -errno with
 * `where` set.
 */
pid_t fork_child(const struct launch_request *launch, const int *slots, struct process *process, bool forks,
                 uint32_t *where);
/* Keeps the cells from what the child forks in turn. */
void fork_unshare(void);
/* The cell where the child of `process` leaves the pid of the process that its plan's `fork` creates; 0 until then. */
pid_t *fork_cell(const struct process *process);
