import type { WatchUpdate } from "../../client/streams/watch.ts";
import type { Usage } from "./usage-shape.ts";

/** Counters and sizes as the agent last reported them; undefined: the kernel doesn't report it. */
export interface Counters {
  readonly cpuMicros?: number | undefined;
  /** Bytes. */
  readonly memory?: number | undefined;
  readonly memoryLimit?: number | undefined;
  readonly pids?: number | undefined;
  readonly readBytes?: number | undefined;
  readonly writtenBytes?: number | undefined;
  readonly receivedBytes?: number | undefined;
  readonly sentBytes?: number | undefined;
  readonly cpuSome?: number | undefined;
  readonly cpuFull?: number | undefined;
  readonly memorySome?: number | undefined;
  readonly memoryFull?: number | undefined;
  readonly ioSome?: number | undefined;
  readonly ioFull?: number | undefined;
}

/** Returns counters by their names here; those that an update leaves out are absent. */
export function countersOf(usage: NonNullable<WatchUpdate["guest"]>["usage"]): Counters {
  const named = {
    cpuMicros: usage?.cpu_micros,
    memory: usage?.memory,
    memoryLimit: usage?.memory_limit,
    pids: usage?.pids,
    readBytes: usage?.read_bytes,
    writtenBytes: usage?.written_bytes,
    receivedBytes: usage?.received_bytes,
    sentBytes: usage?.sent_bytes,
    cpuSome: usage?.cpu_some,
    cpuFull: usage?.cpu_full,
    memorySome: usage?.memory_some,
    memoryFull: usage?.memory_full,
    ioSome: usage?.io_some,
    ioFull: usage?.io_full,
  };
  return present(named);
}

/** Returns the fields that have a value. */
export function present<T extends object>(fields: T): { [Key in keyof T]?: NonNullable<T[Key]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as { [Key in keyof T]?: NonNullable<T[Key]> };
}

/** Returns how much a counter has grown per second; undefined if it is unknown, or smaller than before. */
export function rateOf(before: number | undefined, now: number | undefined, micros: number): number | undefined {
  if (before === undefined || now === undefined || micros <= 0 || now < before) return undefined;
  return ((now - before) * 1_000_000) / micros;
}

/** Returns the usage between two readings of counters, `micros` apart. */
export function usageBetween(before: Counters, now: Counters, micros: number): Usage {
  const rate = (name: keyof Counters) => rateOf(before[name], now[name], micros);
  const share = (name: keyof Counters) => {
    const perSecond = rate(name);
    return perSecond === undefined ? undefined : Math.min(1, perSecond / 1_000_000);
  };
  const cpu = rate("cpuMicros");
  const pressure = {
    cpu: share("cpuSome"),
    memory: share("memorySome"),
    memoryFull: share("memoryFull"),
    io: share("ioSome"),
    ioFull: share("ioFull"),
  };
  return {
    ...present({
      cpu: cpu === undefined ? undefined : cpu / 1_000_000,
      memory: now.memory,
      memoryLimit: now.memoryLimit,
      pids: now.pids,
      read: rate("readBytes"),
      written: rate("writtenBytes"),
      received: rate("receivedBytes"),
      sent: rate("sentBytes"),
    }),
    pressure: present(pressure),
  };
}
