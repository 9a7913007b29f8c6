/*
 * Watches whether the agent at hand still answers. Each heartbeat brings the agent's own limit, so an agent that sends
 * none is not watched.
 *
 * Silence is counted in init's own wake-ups, not read from a clock: a guest that was paused, suspended or restored counts
 * one more wake-up, however long it stood still, and the agent can send its heartbeat before the next.
 */
#ifndef GUESTD_WATCH_H
#define GUESTD_WATCH_H

#include "init.h"

/* Begins with a new agent, which is not watched until it sends a heartbeat. */
void watch_begin(void);
/* A heartbeat: the next has to come within `limit_ms`; 0: the agent is not to be watched any more. */
void watch_heard(uint32_t limit_ms);
/* Milliseconds until watch_late has something to do; -1 while the agent is not watched. */
int watch_timeout(void);
/*
 * Milliseconds of silence once the agent has been silent for its limit, else 0. Then it counts from zero again. Each
 * agent in a row that was late doubles the limit of the next, up to 16 times, until one has lived for ten minutes: a guest
 * that is short of memory or processor time is not kept busy with restarts.
 */
uint64_t watch_late(void);

#endif
