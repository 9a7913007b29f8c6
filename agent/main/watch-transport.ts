import {
  type CallEvent,
  type ConnectionEvent,
  diagnostics,
  type RefusedEvent,
  type ResumedEvent,
} from "../transport/diagnostics.ts";
import type { Log } from "./log.ts";

/** Turns what transport tells into log lines: failed calls with their cause at info, everything else at debug. */
export function logTransport(log: Log): void {
  diagnostics.refused.subscribe((message) => {
    const { peer, reason } = message as RefusedEvent;
    log.warn({ peer, reason }, "connection refused");
  });
  diagnostics.resumed.subscribe((message) => {
    const { broken, ...event } = message as ResumedEvent;
    if (broken === undefined) log.info(event, "connection goes on after the restart of the agent");
    else log.warn({ ...event, reason: broken }, "connection closed at the restart of the agent");
  });
  diagnostics.opened.subscribe((message) => log.debug({ ...(message as ConnectionEvent) }, "connection opened"));
  diagnostics.closed.subscribe((message) => log.debug({ ...(message as ConnectionEvent) }, "connection closed"));
  diagnostics.call.subscribe((message) => {
    const { service, method, code, ms, error } = message as CallEvent;
    const fields = { rpc: `${service}/${method}`, ms: Math.round(ms * 1000) / 1000 };
    if (code === 0) log.debug(fields, "call");
    else log.info({ ...fields, code, error: error instanceof Error ? chain(error) : error }, "call failed");
  });
}

/** Messages of an error and its causes, without stacks. */
function chain(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${chain(error.cause)}` : error.message;
}
