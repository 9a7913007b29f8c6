import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { CallSpan, CallsMessage } from "../../serve/protocol/calls.ts";
import { Wide } from "../parts/wide.tsx";
import { socket } from "../state/page-state.ts";
import { type TraceLine, traceLines } from "./trace-lines.ts";

/** Spans that are kept. */
const KEPT = 400;

/** The agent's calls as a timeline: each call on its own scale, the latest first, with what it did below it. */
export function CallsTab({ guest }: { readonly guest: string }) {
  const spans = useSignal<readonly CallSpan[]>([]);
  const source = useSignal("");
  const dropped = useSignal(0);
  const isHeld = useSignal(false);
  useEffect(() => {
    const channel = socket.open<CallsMessage>({
      request: () => ({ kind: "calls", guest }),
      message(message) {
        if ("source" in message) source.value = message.source;
        else if ("droppedSpans" in message) dropped.value += message.droppedSpans;
        else if (!isHeld.value) spans.value = [...spans.value, ...message.spans].slice(-KEPT);
      },
      ended(error) {
        source.value = error ?? "the guest has ended";
      },
    });
    return () => channel.close();
  }, [guest, spans, source, dropped, isHeld]);
  const lines = traceLines(spans.value);
  return (
    <>
      <p class="buttons">
        <button type="button" aria-pressed={isHeld.value} onClick={() => (isHeld.value = !isHeld.value)}>
          Hold
        </button>
        <button type="button" onClick={() => (spans.value = [])}>
          Clear
        </button>
        <span class="quiet">
          {source.value}
          {dropped.value > 0 && `; ${dropped.value} spans were dropped, the page was too slow`}
        </span>
      </p>
      <Wide label="calls">
        <table class="calls">
          <caption class="hidden">Calls of the agent with the operations of each, the latest first</caption>
          <thead>
            <tr>
              <th scope="col">Call and its operations</th>
              <th scope="col">Began</th>
              <th scope="col" class="number">
                Duration
              </th>
              <th scope="col">Timeline of the call</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <SpanRow key={line.span.id} line={line} />
            ))}
          </tbody>
        </table>
      </Wide>
      {lines.length === 0 && <p class="quiet">No calls yet.</p>}
    </>
  );
}

function SpanRow({ line: { span, depth, left, width } }: { readonly line: TraceLine }) {
  const { name, began, ended, failure, attributes } = span;
  const detail = Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
  return (
    <tr class={depth === 0 ? "guest" : undefined}>
      <th scope="row" title={detail}>
        <span class={`indent depth-${Math.min(depth, 4)}`}>
          <span>{name}</span>
          {failure !== undefined && <span class="bad">{failure}</span>}
          <span class="quiet">{detail}</span>
        </span>
      </th>
      <td>{new Date(began).toLocaleTimeString(undefined, { hour12: false })}</td>
      <td class="number">{durationText(ended - began)}</td>
      <td class="waterfall">
        <div class="steps" aria-hidden="true">
          <span
            class={failure === undefined ? "step-1" : "step-bad"}
            style={{ left: `${left}%`, width: `${width}%` }}
          />
        </div>
      </td>
    </tr>
  );
}

function durationText(ms: number): string {
  return ms < 1 ? `${Math.round(ms * 1000)} µs` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`;
}
