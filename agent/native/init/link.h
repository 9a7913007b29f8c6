/* The socket to the running agent: greeting, requests, exits. */
#pragma once

#include "init.h"

/* Takes ownership of init's end of a new agent's socket and begins the greeting. */
void link_open(int socket, uint64_t generation, uint64_t exec_us, const struct origin *origin);
void link_close(void);
/* Returns -1 if no agent is connected. */
int link_socket(void);
/* Returns the events to poll the socket for: only room while it is full, as no request is read then. */
short link_events(void);
/* Sends everything due that the socket has room for: processes, deposits, READY, then launches and exits. */
void link_flush(void);
/* Handles the requests that have arrived. Returns false if the agent is gone. */
bool link_read(const struct origin *origin);
/* Handles what a dead agent had sent: above all the descriptors it wanted to be kept. */
void link_drain(const struct origin *origin);
