/* Starting and restarting the agent. */
#pragma once

#include "init.h"

/*
 * `command` is the command line after "--", or NULL for the image's agent. Copies the agent's part of the environment.
 */
void agent_prepare(char *const *command, const struct origin *origin);
/* Starts the agent if it is down and its pause is over. */
void agent_start(void);
/* Kills an agent that has been silent for longer than its limit; it is restarted like one that ended by itself. */
void agent_watch(void);
/* Returns the milliseconds until agent_start or agent_watch has work to do; -1: none is due. */
int agent_timeout(void);
/* Returns true if that was the agent, which is restarted after a pause. */
bool agent_exited(pid_t pid, int status);
/* Returns -1 if it is down. */
pid_t agent_pid(void);
/* Asks the agent to stop. Returns false if it is down. */
bool agent_stop(void);
/* Executes the agent in place of this process. */
_Noreturn void agent_become(void);
void agent_kill(void);
