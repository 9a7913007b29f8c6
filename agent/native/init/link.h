/* The socket to the agent at hand: greeting, requests, exits. */
#ifndef GUESTD_LINK_H
#define GUESTD_LINK_H

#include "init.h"

/* Takes over init's end of a new agent's socket and begins to greet. */
void link_open(int socket, uint64_t generation, uint64_t exec_us, const struct origin *origin);
void link_close(void);
/* -1 when there is none. */
int link_socket(void);
/* Returns the events to poll the socket for: while it is full, room only, as no request is read then. */
short link_events(void);
/* Sends what is owed as far as the socket takes it: processes, deposits, READY, then exits. */
void link_flush(void);
/* Handles the requests that are there. False: the agent is gone. */
bool link_read(const struct origin *origin);

/* Handles what an agent that is dead had still asked for: above all, what it gave to keep. */
void link_drain(const struct origin *origin);

#endif
