import type { CallSpan } from "../../serve/protocol/calls.ts";

/** A span with its place in the timeline of its call. */
export interface TraceLine {
  readonly span: CallSpan;
  /** Operations above it in the same call. */
  readonly depth: number;
  /** Begin and duration in percent of the call's. */
  readonly left: number;
  readonly width: number;
}

/** Returns spans grouped by call: the latest call first, each with its operations below it in the order of their begin. */
export function traceLines(spans: readonly CallSpan[]): readonly TraceLine[] {
  // A guest chooses the ids: with each once, every span is below at most one other.
  const ids = new Map(spans.map((span) => [span.id, span]));
  const below = Map.groupBy(ids.values(), ({ parent }) => (parent !== undefined && ids.has(parent) ? parent : ""));
  const roots = (below.get("") ?? []).toSorted((a, b) => b.began - a.began);
  return roots.flatMap((root) => linesOf(root, 0, below, extentOf(root, below)));
}

interface Extent {
  readonly began: number;
  readonly ended: number;
}

function linesOf(span: CallSpan, depth: number, below: Map<string, CallSpan[]>, { began, ended }: Extent): TraceLine[] {
  const whole = Math.max(ended - began, 0.001);
  const left = ((span.began - began) / whole) * 100;
  const width = ((span.ended - span.began) / whole) * 100;
  const parts = (below.get(span.id) ?? []).toSorted((a, b) => a.began - b.began);
  return [{ span, depth, left, width }, ...parts.flatMap((part) => linesOf(part, depth + 1, below, { began, ended }))];
}

/** Returns the time that a call and its operations take together: some end after their call. */
function extentOf(root: CallSpan, below: Map<string, CallSpan[]>): Extent {
  let { began, ended } = root;
  for (const part of below.get(root.id) ?? []) {
    began = Math.min(began, part.began);
    ended = Math.max(ended, part.ended);
  }
  return { began, ended };
}
