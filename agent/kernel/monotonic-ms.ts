/** Returns milliseconds of CLOCK_MONOTONIC, which the next agent and a restored guest continue, and no change of the time affects. */
export function monotonicMs(): number {
  const [seconds, nanos] = process.hrtime();
  return seconds * 1000 + nanos / 1e6;
}
