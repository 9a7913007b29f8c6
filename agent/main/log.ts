import type { LogLevel } from "./option-readers.ts";

/** The contract's names of levels in log lines, the least urgent first. */
const LABELS = { trace: "TRCE", debug: "DEBG", info: "INFO", warn: "WARN", error: "ERRO", fatal: "CRIT" } as const;
const LEVELS = Object.keys(LABELS) as LogLevel[];

export interface LogOptions {
  readonly level: LogLevel;
  readonly version: string;
  /** Where whole lines go. */
  write(line: string): void;
}

/** Writes a line with `fields`, or with the message alone. */
type Write = (...line: readonly [fields: object, message: string] | readonly [message: string]) => void;

export type Log = Readonly<Record<LogLevel, Write>>;

/**
 * JSON lines in the shape that hosts read: level, ts, name, pid, version, source, subsystem, free keys, msg. Written here, as
 * a library for it costs an idle agent a MiB.
 */
export function createLog({ level, version, write }: LogOptions): Log {
  const base = { name: "guestd", pid: process.pid, version, source: "agent", subsystem: "agent" };
  const least = LEVELS.indexOf(level);
  const writer = (name: LogLevel): Write => {
    if (LEVELS.indexOf(name) < least) return () => undefined;
    return (...line) => {
      const [fields, msg] = line.length === 1 ? [{}, line[0]] : line;
      write(`${JSON.stringify({ level: LABELS[name], ts: timestamp(), ...base, ...fields, msg })}\n`);
    };
  };
  return {
    trace: writer("trace"),
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    fatal: writer("fatal"),
  };
}

/** RFC 3339 with nanoseconds, as the reference has it; the clock gives milliseconds. */
function timestamp(): string {
  return new Date().toISOString().replace("Z", "000000Z");
}
