/** Longest time that a timer of Node can wait, in milliseconds; 24 days. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
