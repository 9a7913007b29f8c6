import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import type { Span } from "../../proto/span.ts";
import { withTraceparent } from "../client/trace-context.ts";
import { oneLine } from "../operation-error.ts";
import type { Tracer } from "./tracer.ts";

type Context = Pick<Span, "traceId" | "spanId">;

/** Returns a tracer that passes finished spans on. */
export function ownTracer(onSpan: (span: Span) => void): Tracer {
  const current = new AsyncLocalStorage<Context>();
  return {
    start(name, attributes) {
      const parent = current.getStore();
      const own = { traceId: parent?.traceId ?? randomBytes(16), spanId: randomBytes(8) };
      const began = now();
      return {
        run: (work) => current.run(own, () => withTraceparent(traceparentOf(own), work)),
        end(error) {
          const failure = error === undefined ? undefined : oneLine(error);
          onSpan({ ...own, parentId: parent?.spanId, kind: "client", name, began, ended: now(), attributes, failure });
        },
      };
    },
  };
}

/** Milliseconds since the epoch, with fractions. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function traceparentOf({ traceId, spanId }: Context): string {
  return `00-${Buffer.from(traceId).toString("hex")}-${Buffer.from(spanId).toString("hex")}-01`;
}
