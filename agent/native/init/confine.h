#pragma once

/*
 * Reduces this process, which is about to execute the agent, to the capabilities that the agent and its programs need,
 * and takes away io_uring and new privileges (docs/confinement.md). Containers are forked by init and lose nothing.
 */
void confine_agent(void);
