/* Children that somebody else forked: another runtime makes a container's process and ends, so it is init's then. */
#ifndef GUESTD_ADOPT_H
#define GUESTD_ADOPT_H

#include "init.h"
#include "message.h"
#include <sys/resource.h>

/* Notes the end of a child that no entry of the table has, in case it is adopted later. The last 64 are known. */
void adopt_note_exit(pid_t pid, int status, const struct rusage *usage);
/*
 * Runs an ADOPT: a child of init, or one whose end was noted, becomes an entry of the table. The descriptors are the
 * kept ones; those that the table takes over become -1. Fills in the LAUNCHED reply.
 */
void adopt(const struct request *request, int *fds, struct reply *reply);

#endif
