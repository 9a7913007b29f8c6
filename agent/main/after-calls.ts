/** Delay for work that lets the calls that wait at the agent's start be answered first: one of them may be a clone's Resumed. */
export const AFTER_CALLS_MS = 100;
