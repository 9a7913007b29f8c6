/* Children that another process forked: a container whose OCI runtime has exited is then a child of init. */
#pragma once

#include "message.h"
#include "table.h"

/* Notes the end of a child that is not in the table, in case it is adopted later. */
void adopt_note_exit(pid_t pid, const struct ending *ending);
/*
 * Runs an ADOPT: adds to the table a child of init, or one whose end was noted. `fds` are the descriptors to keep;
 * those the table takes over become -1. Fills in LAUNCHED.
 */
void adopt(const struct request *request, int *fds, struct reply *reply);
