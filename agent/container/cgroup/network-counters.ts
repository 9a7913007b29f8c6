/** Counters of one network interface. */
export interface NetworkCounters {
  readonly name: string;
  readonly received: Traffic;
  readonly sent: Traffic;
}

export interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** Index of the first sent counter in /proc/net/dev: eight received columns come before. */
const SENT = 8;

/** Parses /proc/<pid>/net/dev, which shows the process's network namespace. Skips lines in another format. */
export function parseNetworkCounters(text: string): NetworkCounters[] {
  return text.split("\n").flatMap((line) => {
    // An alias has a colon in its name.
    const match = /^\s*(\S+):\s*(\d[\d\s]*)$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) return [];
    const columns = match[2].trim().split(/\s+/).map(Number);
    const traffic = (first: number): Traffic => {
      const [bytes = 0, packets = 0, errors = 0, dropped = 0] = columns.slice(first);
      return { bytes, packets, errors, dropped };
    };
    return [{ name: match[1], received: traffic(0), sent: traffic(SENT) }];
  });
}
