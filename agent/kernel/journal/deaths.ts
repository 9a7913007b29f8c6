/** More than an agent takes to start, less than init lets it stay silent. */
const LONG_MS = 4000;

/** Deaths after which a piece of work is held responsible for them, and not begun again. */
export const MAX_DEATHS = 4;

/** Counts the death of an agent so long after it began a piece of work: twice if that took long, as it may hang. */
export const deathsAfter = (ms: number): number => (ms > LONG_MS ? 2 : 1);
