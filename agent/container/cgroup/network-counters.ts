/** What one network interface has counted. */
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

/** Columns of /proc/net/dev: eight of what was received, then those of what was sent. */
const SENT = 8;

/** /proc/<pid>/net/dev, which is that of the process's network namespace. Lines that say something else are passed over. */
export function parseNetworkCounters(text: string): NetworkCounters[] {
  return text.split("\n").flatMap((line) => {
    // The name of an alias has a colon itself.
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
