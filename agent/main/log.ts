import { pino } from "pino";
import type { LogLevel } from "./option-readers.ts";

/** Level names in log lines, by contract. */
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
  /** Called with each complete line. */
  write(line: string): void;
}

/** Creates a log of JSON lines as hosts read them: msg, level, ts, name, pid, version, source, subsystem and free keys. */
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

/** RFC 3339 with nine decimals, as the reference agent writes it; the clock's resolution is a millisecond. */
function timestamp(): string {
  return new Date().toISOString().replace("Z", "000000Z");
}
