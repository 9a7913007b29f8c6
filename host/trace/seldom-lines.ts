const EVERY_MS = 1000;

/**
 * Returns a function that passes at most one line a second on to `print`, with the number of those left out since the last one.
 * What an agent causes without end must not fill a terminal or a log.
 */
export function seldom(print: (line: string) => void, now: () => number = () => performance.now()) {
  let last = Number.NEGATIVE_INFINITY;
  let left = 0;
  return (line: string): void => {
    if (now() - last < EVERY_MS) {
      left++;
      return;
    }
    print(left === 0 ? line : `${line} (and ${left} failures since the last line)`);
    [last, left] = [now(), 0];
  };
}
