import type { WatchUpdate } from "../../client/streams/watch.ts";
import {
  addPart,
  copyOf,
  entriesOf,
  MAX_ENTRIES,
  type NextReading,
  NOTHING,
  type Reading,
  trim,
  type WatchedContainer,
  type WatchedForward,
  type WatchedProcess,
} from "./guest-reading.ts";
import type { StreamUsage } from "./guest-tree.ts";
import { type Counters, present, rateOf, usageBetween } from "./usage.ts";
import type { Usage } from "./usage-shape.ts";

/** The state of one guest, from the updates of its agent. Rates are those between the last two complete updates. */
export class GuestModel {
  generation = 0;
  cpus = 0;
  agentMemory: number | undefined;
  readonly #share: () => number;
  #before: Reading | undefined;
  #now: Reading = NOTHING;
  /** The update whose parts are arriving. */
  #next: NextReading | undefined;

  /** @param share entries that it may have now: containers, processes and forwards */
  constructor(share: () => number = () => MAX_ENTRIES) {
    this.#share = share;
  }

  /** Takes a part of an update. */
  apply(update: WatchUpdate): void {
    if (update.whole) this.#before = this.#next = undefined;
    const next = this.#next ?? copyOf(update.whole ? NOTHING : this.#now);
    addPart(next, update, this.#share());
    const { guest } = update;
    this.generation = guest?.generation ?? this.generation;
    this.cpus = guest?.cpus ?? this.cpus;
    this.agentMemory = guest?.agent_memory ?? this.agentMemory;
    if (update.more) {
      this.#next = next;
      return;
    }
    this.#next = undefined;
    if (!update.whole && this.#now.micros > 0 && next.micros > this.#now.micros) this.#before = this.#now;
    this.#now = next;
  }

  /** Drops what is over its share, which has become smaller. */
  trim(): void {
    const share = this.#share();
    if (this.#next !== undefined) trim(this.#next, share);
    if (entriesOf(this.#now) <= share) return;
    const now = copyOf(this.#now);
    trim(now, share);
    this.#before = undefined;
    this.#now = now;
  }

  /** Counters of the guest. */
  usage(): Counters {
    return this.#now.guest;
  }

  containers(): WatchedContainer[] {
    return [...this.#now.containers.values()];
  }

  processes(): WatchedProcess[] {
    return [...this.#now.processes.values()];
  }

  forwards(): WatchedForward[] {
    return [...this.#now.forwards.values()];
  }

  /** Usage of the guest between the last two updates. */
  guestUsage(): Usage {
    return usageBetween(this.#before?.guest ?? {}, this.#now.guest, this.#micros);
  }

  /** Share of one processor that the agent used. */
  agentCpu(): number | undefined {
    const perSecond = rateOf(this.#before?.agentCpuMicros, this.#now.agentCpuMicros, this.#micros);
    return perSecond === undefined ? undefined : perSecond / 1_000_000;
  }

  containerUsage({ id, counters }: WatchedContainer): Usage {
    return usageBetween(this.#before?.containers.get(id)?.counters ?? {}, counters, this.#micros);
  }

  processUsage(process: WatchedProcess): Usage {
    const { cpuMicros, memory } = process;
    const before = this.#before?.processes.get(process.id);
    return usageBetween({ cpuMicros: before?.cpuMicros }, { cpuMicros, memory }, this.#micros);
  }

  streamUsage(process: WatchedProcess): StreamUsage {
    if (process.clients === undefined) return {};
    const before = this.#before?.processes.get(process.id);
    const rate = (name: "stdin" | "stdout" | "stderr") => rateOf(before?.[name], process[name], this.#micros);
    const [input, out, err] = [rate("stdin"), rate("stdout"), rate("stderr")];
    const { stdout = 0, stdoutAcked = 0, stderr = 0, stderrAcked = 0 } = process;
    const unacknowledged = Math.max(0, stdout - stdoutAcked) + Math.max(0, stderr - stderrAcked);
    const output = out === undefined && err === undefined ? undefined : (out ?? 0) + (err ?? 0);
    return present({ input, output, unacknowledged });
  }

  forwardUsage({ id, sent, received }: WatchedForward): { readonly sent?: number; readonly received?: number } {
    const before = this.#before?.forwards.get(id);
    return present({
      sent: rateOf(before?.sent, sent, this.#micros),
      received: rateOf(before?.received, received, this.#micros),
    });
  }

  get #micros(): number {
    return this.#before === undefined ? 0 : this.#now.micros - this.#before.micros;
  }
}
