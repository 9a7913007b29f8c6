#ifndef GUESTD_CGROUP_H
#define GUESTD_CGROUP_H

#include "init.h"

/*
 * Moves init into a cgroup of its own with protected memory, and hands all controllers on to those beside it. A service
 * stays in the cgroup that it was started in.
 */
void cgroup_prepare(const struct origin *origin);

#endif
