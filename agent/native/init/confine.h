#ifndef GUESTD_CONFINE_H
#define GUESTD_CONFINE_H

/*
 * Leaves this process, which is about to execute the agent, with the capabilities that the agent and its programs need,
 * without io_uring and new privileges (docs/confinement.md). Containers are not its children: they get theirs from init.
 */
void confine_agent(void);

#endif
