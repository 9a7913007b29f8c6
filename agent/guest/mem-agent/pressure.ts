import { AgentError } from "../../kernel/error.ts";

/** Returns the time since boot in which some task waited, in µs: the line "some" of a PSI file. */
export function stalledMicros(path: string, text: string): number {
  const total = /^some .*\btotal=(\d+)$/m.exec(text)?.[1];
  if (total === undefined) throw new AgentError("internal", `${path}: not a file with pressure stall information`);
  return Number(total);
}

/**
 * Measures the share of time in which some task waited since the last call, in whole percent. The first call returns 0.
 */
export class PressureMeter {
  #last: { readonly micros: number; readonly atMs: number } | undefined;

  /** Takes the total waiting time and the time of a monotonic clock. */
  percent(micros: number, atMs: number): number {
    const last = this.#last;
    this.#last = { micros, atMs };
    if (last === undefined || atMs <= last.atMs) return 0;
    return Math.max(0, Math.floor((micros - last.micros) / (atMs - last.atMs) / 10));
  }
}
