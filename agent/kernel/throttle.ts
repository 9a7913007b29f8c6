/**
 * Throttles reports of events whose number the agent doesn't control: the first is reported at once, then at most one per
 * period, the latest, with the number of events dropped before it.
 */
export function throttle<Event>(
  report: (event: Event, dropped: number) => void,
  periodMs = 1000,
): (event: Event) => void {
  let timer: NodeJS.Timeout | undefined;
  let waiting: { readonly event: Event } | undefined;
  let dropped = 0;
  const endPeriod = (): void => {
    const latest = waiting;
    timer = undefined;
    if (latest !== undefined) send(latest.event);
  };
  const send = (event: Event): void => {
    const count = dropped;
    waiting = undefined;
    dropped = 0;
    timer = setTimeout(endPeriod, periodMs).unref();
    report(event, count);
  };
  return (event) => {
    if (timer === undefined) {
      send(event);
      return;
    }
    if (waiting !== undefined) dropped++;
    waiting = { event };
  };
}
