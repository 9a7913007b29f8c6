/* The socket to the agent at hand: greeting, requests, exits. */
#ifndef GUESTD_LINK_H
#define GUESTD_LINK_H

#include "init.h"

/* Takes over init's end of a new agent's socket and begins to greet. */
void link_open(int socket, uint64_t generation, uint64_t exec_us, const struct origin *origin);
void link_close(void);
/* -1 when there is none. */
int link_socket(void);
/* Sets what epoll waits for: while the socket is full, for room only, and nothing more is read. */
void link_watch(int epoll);
/* Sends what is owed as far as the socket takes it: processes, deposits, READY, then exits. */
void link_flush(void);
/* Handles the requests that are there. False: the agent is gone. */
bool link_read(const struct origin *origin);

/* Handles what an agent that is dead had still asked for: above all, what it gave to keep. */
void link_drain(const struct origin *origin);

#endif
