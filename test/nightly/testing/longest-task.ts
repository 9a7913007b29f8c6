import type { Browser, Page } from "playwright-core";

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds. */
  readonly ts: number;
  readonly dur?: number;
  /** Processor time. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

export interface TracedWork {
  /** Longest task of the page's main thread, in ms: a frame is one task. */
  readonly longest: number;
  /** Most processor time of such a task, in ms. */
  readonly busiest: number;
  /** Frames that were drawn. */
  readonly frames: number;
  readonly seconds: number;
}

/** Records the browser's trace during some work. */
export async function longestTask(browser: Browser, page: Page, work: () => Promise<void>): Promise<TracedWork> {
  await browser.startTracing(page, {
    categories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"],
  });
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const trace = JSON.parse((await browser.stopTracing()).toString()) as { readonly traceEvents: readonly TraceEvent[] };
  const events = trace.traceEvents;
  // The page's process is the one that runs its animation frames.
  const fired = events.filter(({ name }) => name === "FireAnimationFrame");
  const main = fired[0];
  if (main === undefined) throw new Error("the trace has no animation frame");
  const tasks = events.filter(({ name, pid, tid }) => name === "RunTask" && pid === main.pid && tid === main.tid);
  if (tasks.length === 0) throw new Error("the trace has no task");
  const longest = Math.max(...tasks.map(({ dur = 0 }) => dur)) / 1000;
  const busiest = Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
  return { longest, busiest, frames: fired.length, seconds };
}
