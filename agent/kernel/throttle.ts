/**
 * Limits reports of events whose number others decide: the first is reported at once, then no more than one for each
 * period, the latest, with the number of those that were left out before it.
 */
export function throttle<Event>(
  report: (event: Event, leftOut: number) => void,
  periodMs = 1000,
): (event: Event) => void {
  let timer: NodeJS.Timeout | undefined;
  let waiting: { readonly event: Event } | undefined;
  let leftOut = 0;
  const endPeriod = (): void => {
    const latest = waiting;
    timer = undefined;
    if (latest !== undefined) tell(latest.event);
  };
  const tell = (event: Event): void => {
    const count = leftOut;
    waiting = undefined;
    leftOut = 0;
    timer = setTimeout(endPeriod, periodMs).unref();
    report(event, count);
  };
  return (event) => {
    if (timer === undefined) {
      tell(event);
      return;
    }
    if (waiting !== undefined) leftOut++;
    waiting = { event };
  };
}
