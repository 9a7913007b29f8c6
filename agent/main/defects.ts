import type { Init } from "../kernel/kernel.ts";
import type { Log } from "./log.ts";
import { writeConsole } from "./write-console.ts";

/**
 * Says what becomes of a defect, as an error must have been dealt with where it came up: by the connection, watch, timer or
 * call that it ends. A promise that nobody awaited has undone its own work, so the agent continues. After an exception that
 * left a callback nothing is known of what it was doing: the agent ends, and init starts the next, which loses nothing.
 */
export function logDefects(log: Log): void {
  process.on("unhandledRejection", (error) => log.error({ error: withStack(error) }, "unhandled rejection"));
  process.on("uncaughtException", (error) => endAgent(log, error));
}

/** Ends the agent at once, for a reason that it can't serve with. */
export function endAgent(log: Log, error: unknown): void {
  log.fatal({ error: withStack(error) }, "the agent ends, init starts the next");
  writeConsole(`guestd: the agent ends: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

function withStack(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Ends an agent that can't start, and the service with it if its init is given: the next try would fail alike. */
export function giveUp(error: unknown, init?: Init): never {
  const line = error instanceof Error ? error.message : String(error);
  writeConsole(`guestd: the agent can't start: ${line}\n`);
  init?.power("reboot");
  process.exit(1); // open watches would keep it running
}
