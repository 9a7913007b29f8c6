import { setTimeout as sleep } from "node:timers/promises";
import { guestLog, readableLogLine } from "../../engine/guest/guest-log.ts";
import { checkedAddress, type Target } from "../../engine/guest/guest-target.ts";
import { OperationError } from "../../operation-error.ts";
import { AGENT_LOG } from "../protocol/logs.ts";
import type { LogTaker } from "./log-source.ts";

/** Milliseconds of silence after which the buffered lines are assumed to have arrived, and until the next connection. */
const QUIET_MS = 500;
const AGAIN_MS = 1000;

/** Reads the log of a guest's agent, from the lines that it has buffered on, until the signal aborts. */
export async function readAgentLog(
  { guest }: Target,
  { signal, taker }: { readonly signal: AbortSignal; readonly taker: LogTaker },
): Promise<void> {
  if (guest === undefined) throw new OperationError("logs of the agent: the address of its log is unknown");
  const address = checkedAddress(guest.logAddress);
  const quiet = setTimeout(() => taker.live(), QUIET_MS);
  try {
    while (!signal.aborted) {
      try {
        for await (const line of guestLog(address, signal)) {
          quiet.refresh();
          void taker.lines({ container: AGENT_LOG, stream: "stdout", lines: [readableLogLine(line)] });
        }
      } catch (error) {
        if (!signal.aborted && (error as NodeJS.ErrnoException).code === undefined) throw error;
      }
      // The agent is restarting.
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    clearTimeout(quiet);
  }
}
