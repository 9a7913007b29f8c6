/* Preparing the system before the agent starts. */
#pragma once

#include "init.h"

/*
 * Mounts what every program in the guest expects, on a root that can be pivoted from. Sets origin->foreign; a pid
 * namespace on a host gets fresh mounts and a /dev that is not the host's.
 */
void mounts_prepare(struct origin *origin);
/*
 * Sets up init's own limits and OOM score, and saves the previous ones in `origin`; unless it is a service, also the
 * console, host name and loopback.
 */
void system_prepare(struct origin *origin);
/*
 * Moves init into a cgroup with protected memory and enables all controllers for the cgroups beside it. A service stays
 * in the cgroup it was started in.
 */
void cgroup_prepare(const struct origin *origin);
