import type { Timeline } from "../machine/guest.ts";
import { parseRecord } from "./guest-log.ts";

/** What happened when, milliseconds after QEMU was started. */
export interface BootTimeline {
  /** The guest's kernel began, by its own clock. */
  readonly kernel?: number;
  readonly init?: number;
  /** init executed the agent. */
  readonly agent?: number;
  /** Node had started, and the agent's bundle was loaded. */
  readonly loaded?: number;
  readonly listening: number;
  /** The first Check was answered. */
  readonly check: number;
}

/** Microseconds of the guest's monotonic clock, which begins with its kernel. */
export interface BootMarks {
  readonly init: number;
  readonly agent: number;
  /** Undefined of an older agent. */
  readonly loaded?: number;
  readonly listening: number;
}

/** The marks in a line of the agent's log, if it is the one that has them. */
export function bootMarks(line: string): BootMarks | undefined {
  const record = parseRecord(line);
  if (record?.["msg"] !== "listening") return undefined;
  const { init, agent, loaded, listening } = (record["marks"] ?? {}) as Record<string, unknown>;
  if (typeof init !== "number" || typeof agent !== "number" || typeof listening !== "number") return undefined;
  return { init, agent, ...(typeof loaded === "number" ? { loaded } : {}), listening };
}

/**
 * Lays the guest's clock on ours: its ready line was written when it was listening. `answered` is when the first Check
 * came back, in milliseconds of `host`. The kernel's own start is known as well as the console is quick: some 10 ms.
 */
export function bootTimeline(host: Timeline, answered: number, marks?: BootMarks): BootTimeline {
  const listening = host.ready - host.qemu;
  const check = Math.round(answered) - host.qemu;
  if (marks === undefined) return { listening, check };
  const at = (micros: number) => Math.max(0, Math.round(listening + (micros - marks.listening) / 1000));
  const loaded = marks.loaded === undefined ? {} : { loaded: at(marks.loaded) };
  return { kernel: at(0), init: at(marks.init), agent: at(marks.agent), ...loaded, listening, check };
}

/** What is known, in its order: a name and milliseconds. */
export function timelineSteps(timeline: BootTimeline): readonly (readonly [name: string, ms: number])[] {
  const steps: readonly [string, number | undefined][] = [
    ["kernel", timeline.kernel],
    ["init", timeline.init],
    ["agent", timeline.agent],
    ["loaded", timeline.loaded],
    ["listening", timeline.listening],
    ["first answer", timeline.check],
  ];
  return steps.flatMap(([name, ms]) => (ms === undefined ? [] : [[name, ms] as const]));
}

/** One line: "QEMU 0 → kernel 0.97 s → …". */
export function timelineText(timeline: BootTimeline): string {
  const known = timelineSteps(timeline).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(2)}`);
  return `QEMU 0 → ${known.join(" → ")} s`;
}
