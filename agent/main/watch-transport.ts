import { codeName } from "../../proto/codes.ts";
import { AgentError } from "../kernel/error.ts";
import { throttle } from "../kernel/throttle.ts";
import { CallDurations } from "../metrics/call-durations.ts";
import { CallErrors } from "../metrics/call-errors.ts";
import {
  type BrokenEvent,
  type CallEvent,
  type ConnectionEvent,
  diagnostics,
  type RefusedEvent,
  type ResumedEvent,
} from "../transport/diagnostics.ts";
import type { Log } from "./log.ts";
import { readTraceparent } from "./trace/trace-context.ts";

/** Characters; a message may quote a caller's text. */
const MAX_ERROR = 4096;

/** Calls that move stdio. There is one for each piece of output: logging them made it a third slower. */
const STDIO = ["ReadStdout", "ReadStderr", "WriteStdin"];

/**
 * Logs transport events: defects, refused and resumed connections, failed calls with their cause; everything else at debug level,
 * and the calls that move stdio at trace level.
 */
export function logTransport(log: Log): void {
  // Any container can connect, as often as it likes.
  const refused = throttle(({ peer, reason }: RefusedEvent, leftOut) => {
    log.warn({ peer, reason, ...(leftOut > 0 && { leftOut }) }, "connection refused");
  });
  diagnostics.refused.subscribe((message) => refused(message as RefusedEvent));
  diagnostics.defect.subscribe((message) => {
    log.error({ error: whole((message as BrokenEvent).error) }, "a call could not be settled");
  });
  diagnostics.broken.subscribe((message) => {
    log.error({ error: whole((message as BrokenEvent).error) }, "connection closed after an error of the agent");
  });
  diagnostics.resumed.subscribe((message) => {
    const { broken, ...event } = message as ResumedEvent;
    if (broken === undefined) log.info(event, "connection resumed after the restart of the agent");
    else log.warn({ ...event, reason: broken }, "connection closed at the restart of the agent");
  });
  diagnostics.opened.subscribe((message) => log.debug({ ...(message as ConnectionEvent) }, "connection opened"));
  diagnostics.closed.subscribe((message) => log.debug({ ...(message as ConnectionEvent) }, "connection closed"));
  diagnostics.call.subscribe((message) => {
    const { service, method, container, exec, code, ms, traceparent, error } = message as CallEvent;
    const level = STDIO.includes(method) ? "trace" : "debug";
    if (code === 0 && !log.isLevelEnabled(level)) return;
    const fields = {
      rpc: `${service}/${method}`,
      ...about("container", container),
      ...about("exec", exec),
      ms: Math.round(ms * 1000) / 1000,
      ...traceFields(traceparent),
    };
    if (code === 0) log[level](fields, "call");
    else
      log.info(
        { ...fields, code, error: error instanceof Error ? chain(error).slice(0, MAX_ERROR) : error },
        "call failed",
      );
  });
}

/** Measures calls for the metrics, from now on. Calls whose answer reached no client aren't counted. */
export function watchCalls(): { readonly durations: CallDurations; readonly errors: CallErrors } {
  const [durations, errors] = [new CallDurations(), new CallErrors()];
  diagnostics.call.subscribe((message) => {
    const { method, code, ms } = message as CallEvent;
    if (code === undefined) return;
    durations.note(method, ms / 1000);
    if (code !== 0) errors.note(method, codeName(code));
  });
  return { durations, errors };
}

function about(name: string, id: string | undefined): Readonly<Record<string, string>> {
  return id === undefined || id === "" ? {} : { [name]: id };
}

/** Returns the ids of a valid traceparent, otherwise no fields. */
function traceFields(traceparent: string | undefined): { readonly trace?: string; readonly span?: string } {
  const context = traceparent === undefined ? undefined : readTraceparent(traceparent);
  return context === undefined ? {} : { trace: hex(context.traceId), span: hex(context.spanId) };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

/** Returns the one line of an expected error; for a defect its stack. */
function whole(error: unknown): string {
  if (error instanceof AgentError) return chain(error);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Joins the messages of an error and its causes, without stacks. */
function chain(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${chain(error.cause)}` : error.message;
}
