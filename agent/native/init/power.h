#ifndef GUESTD_POWER_H
#define GUESTD_POWER_H

#include "init.h"

/* sync (for 10 s at most), then power off or reboot; in a pid namespace that ends the namespace. Returns -errno only if
 * it failed. */
int power(bool reboot);

#endif
