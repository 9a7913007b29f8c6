/** Column of the first sent counter in /proc/net/dev. */
const SENT = 8;

/** Counters of a guest, a container or a process, as far as the kernel reports them: see proto/watch.proto. */
export interface Usage {
  cpu_micros?: number | undefined;
  memory?: number | undefined;
  memory_limit?: number | undefined;
  pids?: number | undefined;
  read_bytes?: number | undefined;
  written_bytes?: number | undefined;
  received_bytes?: number | undefined;
  sent_bytes?: number | undefined;
  cpu_some?: number | undefined;
  cpu_full?: number | undefined;
  memory_some?: number | undefined;
  memory_full?: number | undefined;
  io_some?: number | undefined;
  io_full?: number | undefined;
}

/** Returns the number after `key` and a blank in a line of its own; undefined if it isn't there. */
export function numberAfter(text: string, key: string): number | undefined {
  const at = text.startsWith(key) ? 0 : text.indexOf(`\n${key}`) + 1;
  if (at === 0 && !text.startsWith(key)) return undefined;
  const value = Number.parseInt(text.slice(at + key.length, at + key.length + 40), 10);
  return Number.isNaN(value) ? undefined : value;
}

/** Returns the sum of all numbers after `key=`, as io.stat has one for each device. */
export function sumOf(text: string, key: string): number {
  let sum = 0;
  for (let at = text.indexOf(key); at >= 0; at = text.indexOf(key, at + 1)) {
    sum += Number.parseInt(text.slice(at + key.length, at + key.length + 20), 10) || 0;
  }
  return sum;
}

/** Returns the microseconds that tasks waited, from the text of a pressure file. */
export function waited(text: string | undefined): {
  readonly some?: number | undefined;
  readonly full?: number | undefined;
} {
  if (text === undefined) return {};
  const [some, full] = [totalAfter(text, "some "), totalAfter(text, "full ")];
  return { some, full };
}

function totalAfter(text: string, kind: string): number | undefined {
  const line = text.indexOf(kind);
  const at = line < 0 ? -1 : text.indexOf("total=", line);
  const value = at < 0 ? Number.NaN : Number.parseInt(text.slice(at + 6, at + 30), 10);
  return Number.isNaN(value) ? undefined : value;
}

/** Returns the received and sent bytes of all interfaces but lo, from the text of /proc/PID/net/dev. */
export function networkBytes(text: string | undefined): Pick<Usage, "received_bytes" | "sent_bytes"> {
  if (text === undefined) return {};
  let [received_bytes, sent_bytes] = [0, 0];
  for (const line of text.split("\n")) {
    // An alias has a colon in its name.
    const end = line.lastIndexOf(":");
    if (end < 0 || line.slice(0, end).trim() === "lo") continue;
    const columns = line
      .slice(end + 1)
      .trim()
      .split(/ +/);
    received_bytes += Number(columns[0]) || 0;
    sent_bytes += Number(columns[SENT]) || 0;
  }
  return { received_bytes, sent_bytes };
}
