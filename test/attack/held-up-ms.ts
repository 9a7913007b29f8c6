/**
 * An answer that takes longer was held up by the flood: thousands of connections are work for this machine, too.
 */
export const HELD_UP_MS = 10_000;
