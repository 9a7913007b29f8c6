#pragma once

#include "init.h"

/*
 * Syncs for 10 s at most, then powers off or reboots; in a pid namespace, ends it. Returns -errno only if that failed.
 */
int power(bool reboot);
/* From now on `power` kills the agent and all processes, then exits: with 0, or with 1 for a reboot. */
void power_is_exit(void);
