#ifndef GUESTD_MOUNTS_H
#define GUESTD_MOUNTS_H

#include "init.h"

/*
 * The mounts that every program of the guest expects, and a root that can be pivoted from. Sets origin->foreign: in a
 * pid namespace on a host all of them are made afresh, with a /dev that is not the host's.
 */
void mounts_prepare(struct origin *origin);

#endif
