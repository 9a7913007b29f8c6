import { sumKnown } from "../../engine/tree/short-text.ts";
import type { StreamUsage, Usage } from "../../serve/protocol/guest-tree.ts";

/** Names of the values that are kept. */
export const VALUES = [
  "cpu",
  "memory",
  "cpuPressure",
  "memoryPressure",
  "ioPressure",
  "read",
  "written",
  "received",
  "sent",
  "input",
  "output",
  "unacknowledged",
] as const;
export type ValueName = (typeof VALUES)[number];

/** Samples that are kept: an hour of seconds. */
const MAX_SAMPLES = 3600;
const FIRST_SAMPLES = 128;

/** Usage of one guest or container over the last hour, since the page was opened. */
export class UsageHistory {
  #times = new Float64Array(FIRST_SAMPLES);
  readonly #values = new Map<ValueName, Float32Array>();
  /** Samples so far; the ring has the last ones. */
  #count = 0;

  /** Adds a sample; `time` is in seconds. */
  add(time: number, usage: Usage, streams: StreamUsage): void {
    if (this.#count === this.#times.length && this.#count < MAX_SAMPLES) this.#grow();
    const at = this.#count++ % this.#times.length;
    this.#times[at] = time;
    const now = valuesOf(usage, streams);
    for (const name of VALUES) {
      const value = now[name];
      let kept = this.#values.get(name);
      if (kept === undefined) {
        if (value === undefined) continue;
        kept = new Float32Array(this.#times.length).fill(Number.NaN);
        this.#values.set(name, kept);
      }
      kept[at] = value ?? Number.NaN;
    }
  }

  /** Returns times and the values of each name, from `since` on, oldest first; null where a value is unknown. */
  read(names: readonly ValueName[], since: number): [number[], ...(number | null)[][]] {
    const size = this.#times.length;
    const times: number[] = [];
    const series = names.map((): (number | null)[] => []);
    for (let index = Math.max(0, this.#count - size); index < this.#count; index++) {
      const at = index % size;
      const time = this.#times[at] ?? 0;
      if (time < since) continue;
      times.push(time);
      names.forEach((name, which) => {
        const value = this.#values.get(name)?.[at];
        series[which]?.push(value === undefined || Number.isNaN(value) ? null : value);
      });
    }
    return [times, ...series];
  }

  #grow(): void {
    const size = Math.min(MAX_SAMPLES, this.#times.length * 2);
    const times = new Float64Array(size);
    times.set(this.#times);
    this.#times = times;
    for (const [name, values] of this.#values) {
      const larger = new Float32Array(size).fill(Number.NaN);
      larger.set(values);
      this.#values.set(name, larger);
    }
  }
}

function valuesOf(usage: Usage, streams: StreamUsage): Readonly<Partial<Record<ValueName, number | undefined>>> {
  const { cpu, memory, read, written, received, sent, pressure } = usage;
  return {
    ...{ cpu, memory, read, written, received, sent },
    ...{ cpuPressure: pressure.cpu, memoryPressure: pressure.memory, ioPressure: pressure.io },
    ...{ input: streams.input, output: streams.output, unacknowledged: streams.unacknowledged },
  };
}

/** Adds the streams of several containers. */
export function sumStreams(all: readonly StreamUsage[]): StreamUsage {
  const sum = (name: keyof StreamUsage) => sumKnown(...all.map((each) => each[name]));
  const [input, output, unacknowledged] = [sum("input"), sum("output"), sum("unacknowledged")];
  return {
    input,
    output,
    unacknowledged,
  };
}
