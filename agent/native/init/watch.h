/*
 * The watchdog of the agent. Each heartbeat carries the agent's own limit, so an agent that sends none is not watched.
 *
 * Silence is counted in init's own wake-ups, not read from a clock. However long a guest was paused, suspended or
 * saved, that counts as one wake-up, and the agent can send its heartbeat before the next.
 */
#pragma once

#include "init.h"

/* Starts over for a new agent, which is not watched until its first heartbeat. */
void watch_begin(void);
/* Records a heartbeat: the next one is due within `limit_ms`; 0 stops watching. */
void watch_heard(uint32_t limit_ms);
/* Returns the milliseconds until watch_late has work to do; -1 if the agent is not watched. */
int watch_timeout(void);
/*
 * Returns how many milliseconds the agent has been silent once that exceeds its limit, else 0; then counts from zero.
 * Each late agent in a row doubles the limit of the next, up to 16 times, until one has lived for ten minutes: restarts
 * must not keep a guest busy that is short of memory or processor time.
 */
uint64_t watch_late(void);
