import { AgentError } from "../../kernel/error.ts";

/** µs since boot in which some task waited: the line "some" of a file of PSI. */
export function stalledMicros(path: string, text: string): number {
  const total = /^some .*\btotal=(\d+)$/m.exec(text)?.[1];
  if (total === undefined) throw new AgentError("internal", `${path}: not a file of pressure stall information`);
  return Number(total);
}

/** How much of the time since the last question some task waited, in whole percent; 0 for the first question. */
export class PressureMeter {
  #last: { readonly micros: number; readonly atMs: number } | undefined;

  /** Of what waited, in all, and of a monotonic clock. */
  percent(micros: number, atMs: number): number {
    const last = this.#last;
    this.#last = { micros, atMs };
    if (last === undefined || atMs <= last.atMs) return 0;
    return Math.max(0, Math.floor((micros - last.micros) / (atMs - last.atMs) / 10));
  }
}
