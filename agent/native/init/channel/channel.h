/* The channel to the host over virtio-serial, of guests without vsock: a process of init that relays connections. */
#pragma once

#include "../init.h"

/* Reads agent.channel=NAME of the kernel command line; without it there is no channel. */
void channel_prepare(void);
/* Starts the relay if it is down. */
void channel_start(void);
/* Returns true if that was the relay, which is started again. */
bool channel_exited(pid_t pid, int status);
