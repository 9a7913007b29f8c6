/* Starting the agent, and starting it again. */
#ifndef GUESTD_AGENT_H
#define GUESTD_AGENT_H

#include "init.h"

/* `command`: what stands after "--", or NULL for the agent of the image. The environment is read now. */
void agent_prepare(char *const *command, const struct origin *origin);
/* Starts the agent if it is down and its pause is over. */
void agent_start(void);
/* Kills an agent that has been silent for longer than it allows; it is started again as after any other end. */
void agent_watch(void);
/* Milliseconds until one of the two has something to do; -1: nothing. */
int agent_timeout(void);
/* True if that was the agent; it is started again after a pause. */
bool agent_exited(pid_t pid, int status);
/* Asks the agent to stop; false when there is none. */
/* -1: none runs. */
pid_t agent_pid(void);
bool agent_stop(void);
/* Executes the agent's program in place of this process. */
_Noreturn void agent_become(void);
/* Ends an agent that closed its socket. */
void agent_kill(void);

#endif
