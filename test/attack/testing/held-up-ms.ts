/** Limit for what never comes: a response that the flood blocks. Thousands of connections, and other tests, load this machine too. */
export const HELD_UP_MS = 50_000;
