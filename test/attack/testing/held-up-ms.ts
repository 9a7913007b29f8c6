/** Time after which a response counts as blocked by the flood: thousands of connections also load this machine. */
export const HELD_UP_MS = 10_000;
