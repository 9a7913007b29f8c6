/* The relay between the host's end of the channel and the agent's listeners. */
#pragma once

#include "session.h"

/*
 * Serves one session on an open port: greets the host, then relays until the port closes or the host breaks the rules.
 * Returns 0 or -errno, the reason why the session ended.
 */
int relay_serve(struct session *session, int port);
/* Connects to the unix socket that is named after a port, in the working directory. Returns it, or -1. */
int relay_dial(uint32_t port);
