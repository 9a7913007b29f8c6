import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { type StepEvent, steps } from "../../kernel/wait/traced-step.ts";
import type { Call, Handler, ServiceTable } from "../../service/dispatch.ts";
import { toStatus } from "../../service/status.ts";
import type { Span } from "./span.ts";
import { readTraceparent } from "./trace-context.ts";

/** The call that is at work. `epoch` + performance.now() is the time of day as it was when the call began. */
interface Current {
  readonly traceId: Uint8Array;
  readonly spanId: Uint8Array;
  readonly epoch: number;
}

const current = new AsyncLocalStorage<Current>();

/**
 * A table whose handlers make a span each, below the caller's where that has sent one, and one below that for each step
 * of theirs. A caller that does not sample gets none.
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
  return async (payload, call) => {
    const parent = readTraceparent(call.metadata.get("traceparent"));
    if (parent?.sampled === false) return handler(payload, call);
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
        attributes: { "rpc.service": service, "rpc.method": method, ...about(call), "rpc.grpc.status_code": code },
        failure,
      });
    try {
      const answer = await current.run(own, () => handler(payload, call));
      end(0);
      return answer;
    } catch (error) {
      const { code, message } = toStatus(error);
      end(code, message);
      throw error;
    }
  };
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

function about({ container = "", exec = "" }: Call): Record<string, string> {
  return {
    ...(container === "" ? {} : { "container.id": container }),
    ...(exec === "" ? {} : { "process.exec_id": exec }),
  };
}
