import type { Init } from "../kernel/kernel.ts";
import type { Log } from "./log.ts";
import { writeConsole } from "./write-console.ts";

/**
 * Handles defects; ordinary errors are handled by the connection, watch, timer or call that they end. After an unhandled rejection
 * the agent continues, as the promise has undone its own work. An uncaught exception leaves an unknown state: the agent ends, and
 * init starts the next one, which loses nothing.
 */
export function logDefects(log: Log): void {
  process.on("unhandledRejection", (error) => log.error({ error: withStack(error) }, "unhandled rejection"));
  process.on("uncaughtException", (error) => endAgent(log, error));
}

/** Ends the agent at once after an error with which it can't serve. */
export function endAgent(log: Log, error: unknown): void {
  log.fatal({ error: withStack(error) }, "the agent ends, init starts the next");
  writeConsole(`guestd: the agent ends: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function withStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Ends an agent that can't start, and the service, too, if its init is given: the next start would fail in the same way. */
export function giveUp(error: unknown, init?: Init): never {
  const line = error instanceof Error ? error.message : String(error);
  writeConsole(`guestd: the agent can't start: ${line}\n`);
  init?.power("reboot");
  process.exit(1); // open watches would keep it running
}
