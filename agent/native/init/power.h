#ifndef GUESTD_POWER_H
#define GUESTD_POWER_H

#include "init.h"

/* sync (for 10 s at most), then power off or reboot; in a pid namespace that ends the namespace. Returns -errno only if
 * it failed. */
int power(bool reboot);
/* From now on `power` ends what init has launched and then this process, with exit code 0. */
void power_is_exit(void);

#endif
