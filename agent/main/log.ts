import { pino } from "pino";
import type { LogLevel } from "./option-readers.ts";

/** The contract's names of levels in log lines. */
const LABELS: Readonly<Record<string, string>> = {
  trace: "TRCE",
  debug: "DEBG",
  info: "INFO",
  warn: "WARN",
  error: "ERRO",
  fatal: "CRIT",
};

export interface LogOptions {
  readonly level: LogLevel;
  readonly version: string;
  /** Where whole lines go. */
  write(line: string): void;
}

/** JSON lines in the shape that hosts read: msg, level, ts, name, pid, version, source, subsystem, free keys. */
export function createLog(options: LogOptions) {
  return pino(
    {
      level: options.level,
      base: { name: "guestd", pid: process.pid, version: options.version, source: "agent", subsystem: "agent" },
      messageKey: "msg",
      timestamp: () => `,"ts":"${timestamp()}"`,
      formatters: { level: (label) => ({ level: LABELS[label] ?? label }) },
    },
    { write: options.write },
  );
}

export type Log = ReturnType<typeof createLog>;

/** RFC 3339 with nanoseconds, as the reference has it; the clock gives milliseconds. */
function timestamp(): string {
  return new Date().toISOString().replace("Z", "000000Z");
}
