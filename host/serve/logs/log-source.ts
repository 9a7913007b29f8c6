import type { LogGap, LogLines } from "../protocol/logs.ts";

/** Takes what a source of a log reads. A source waits for each promise. */
export interface LogTaker {
  lines(lines: LogLines): void | Promise<void>;
  gap(gap: LogGap): void;
  /** Called once all of the past was read. */
  live(): void;
}
