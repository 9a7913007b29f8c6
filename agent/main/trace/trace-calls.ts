import { AsyncLocalStorage } from "node:async_hooks";
import type { Span } from "../../../proto/span.ts";
import { randomBytes } from "../../kernel/random-bytes.ts";
import { type StepEvent, steps } from "../../kernel/wait/traced-step.ts";
import type { Call, Handler, ServiceTable } from "../../service/dispatch.ts";
import { toStatus } from "../../service/status.ts";
import { readTraceparent } from "./trace-context.ts";

/** The running call. `epoch` + performance.now() is the time by the clock as set when the call began. */
interface Current {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly epoch: number;
}

const current = new AsyncLocalStorage<Current>();

/**
 * Returns a table whose handlers create a span per call, as a child of the caller's span if it sent one, and a child span for each step
 * of the call. Creates none if the caller does not sample.
 */
export function traceCalls(table: ServiceTable, onSpan: (span: Span) => void): ServiceTable {
  steps.subscribe((event) => {
    const call = current.getStore();
    if (call !== undefined) onSpan(stepSpan(call, event as StepEvent));
  });
  const traced = new WeakMap<Handler, Handler>();
  return {
    ...table,
    find(service, method) {
      const found = table.find(service, method);
      if (typeof found !== "function") return found;
      const handler = traced.get(found) ?? traceHandler(found, service, method, onSpan);
      traced.set(found, handler);
      return handler;
    },
  };
}

function traceHandler(handler: Handler, service: string, method: string, onSpan: (span: Span) => void): Handler {
  return (payload, call) => {
    const traceparent = call.metadata.get("traceparent");
    return traceCall({ service, method, traceparent, subject: call }, () => handler(payload, call), onSpan);
  };
}

/** A call to trace. `subject` is read once it has ended: a handler finds out what it is about. */
export interface TracedCall {
  readonly service: string;
  readonly method: string;
  readonly traceparent: string | undefined;
  readonly subject: Pick<Call, "container" | "exec">;
}

/** Runs a call and creates its span, unless the caller does not sample; steps of the call become children of it. */
export async function traceCall<T>(
  { service, method, traceparent, subject }: TracedCall,
  work: () => T | Promise<T>,
  onSpan: (span: Span) => void,
): Promise<T> {
  const parent = readTraceparent(traceparent);
  if (parent?.sampled === false) return work();
  const began = performance.now();
  const own = { traceId: parent?.traceId ?? randomBytes(16), spanId: randomBytes(8), epoch: Date.now() - began };
  const end = (code: number, failure?: string) =>
    onSpan({
      traceId: own.traceId,
      spanId: own.spanId,
      parentId: parent?.spanId,
      kind: "server",
      name: `${service}/${method}`,
      began: own.epoch + began,
      ended: own.epoch + performance.now(),
      attributes: { "rpc.service": service, "rpc.method": method, ...about(subject), "rpc.grpc.status_code": code },
      failure,
    });
  try {
    const answer = await current.run(own, work);
    end(0);
    return answer;
  } catch (error) {
    const { code, message } = toStatus(error);
    end(code, message);
    throw error;
  }
}

function stepSpan({ traceId, spanId, epoch }: Current, { name, began, ended, error }: StepEvent): Span {
  return {
    traceId,
    spanId: randomBytes(8),
    parentId: spanId,
    kind: "internal",
    name,
    began: epoch + began,
    ended: epoch + ended,
    attributes: {},
    failure: error === undefined ? undefined : toStatus(error).message,
  };
}

function about({ container = "", exec = "" }: TracedCall["subject"]): Record<string, string> {
  return {
    ...(container === "" ? {} : { "container.id": container }),
    ...(exec === "" ? {} : { "process.exec_id": exec }),
  };
}
