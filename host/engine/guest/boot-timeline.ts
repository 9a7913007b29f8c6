import type { Timeline } from "../../vm/guest.ts";
import { parseRecord } from "./guest-log.ts";

/** Times of the boot steps, in milliseconds since QEMU started. */
export interface BootTimeline {
  /** Start of the guest's kernel, by its own clock. */
  readonly kernel?: number;
  readonly init?: number;
  /** Execution of the agent by init. */
  readonly agent?: number;
  /** Node started and the agent's bundle loaded. */
  readonly loaded?: number;
  readonly listening: number;
  /** First Check answered. */
  readonly check: number;
}

/** Times in microseconds of the guest's monotonic clock, which starts with its kernel. */
export interface BootMarks {
  readonly init: number;
  readonly agent: number;
  /** Undefined for an older agent. */
  readonly loaded?: number;
  readonly listening: number;
}

/** Returns the marks in a line of the agent's log, if it is the line that has them. */
export function bootMarks(line: string): BootMarks | undefined {
  const record = parseRecord(line);
  if (record?.["msg"] !== "listening") return undefined;
  const { init, agent, loaded, listening } = (record["marks"] ?? {}) as Record<string, unknown>;
  if (typeof init !== "number" || typeof agent !== "number" || typeof listening !== "number") return undefined;
  return { init, agent, ...(typeof loaded === "number" ? { loaded } : {}), listening };
}

/**
 * Aligns the guest's clock with the host's: the guest wrote its ready line when it was listening. `answered` is the
 * time of the first Check's answer, in milliseconds of `host`. The kernel's start is as exact as the console is fast:
 * about 10 ms.
 */
export function bootTimeline(host: Timeline, answered: number, marks?: BootMarks): BootTimeline {
  const listening = host.ready - host.qemu;
  const check = Math.round(answered) - host.qemu;
  if (marks === undefined) return { listening, check };
  const at = (micros: number) => Math.max(0, Math.round(listening + (micros - marks.listening) / 1000));
  const loaded = marks.loaded === undefined ? {} : { loaded: at(marks.loaded) };
  return { kernel: at(0), init: at(marks.init), agent: at(marks.agent), ...loaded, listening, check };
}

/** Returns the known steps in order, as name and milliseconds. */
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

/** Formats one line: "QEMU 0 → kernel 0.97 → … s". */
export function timelineText(timeline: BootTimeline): string {
  const known = timelineSteps(timeline).map(([name, ms]) => `${name} ${(ms / 1000).toFixed(2)}`);
  return `QEMU 0 → ${known.join(" → ")} s`;
}
