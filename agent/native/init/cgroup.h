#ifndef GUESTD_CGROUP_H
#define GUESTD_CGROUP_H

/* Moves init into a cgroup of its own with protected memory, and hands all controllers on to those beside it. */
void cgroup_prepare(void);

#endif
