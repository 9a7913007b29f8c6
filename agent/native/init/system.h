#ifndef GUESTD_SYSTEM_H
#define GUESTD_SYSTEM_H

#include "init.h"

/* Console, host name and loopback unless it is a service, and init's own limits; what was there before goes to `origin` for the children. */
void system_prepare(struct origin *origin);

#endif
