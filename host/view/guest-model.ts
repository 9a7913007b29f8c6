import type { WatchUpdate } from "../client/streams/watch.ts";
import { type Counters, countersOf, present, rateOf, type Usage, usageBetween } from "./usage.ts";

export type ProcessState = "created" | "running" | "paused" | "exited" | "unknown";
const STATES: readonly ProcessState[] = ["unknown", "created", "running", "paused", "exited"];

export interface WatchedContainer {
  readonly id: string;
  readonly state: ProcessState;
  readonly counters: Counters;
}

export interface WatchedProcess {
  /** Unique in this boot of the guest. */
  readonly id: number;
  readonly container: string;
  /** Empty for the container's first process. */
  readonly exec: string;
  readonly pid: number;
  readonly state: ProcessState;
  readonly code?: number;
  readonly cpuMicros?: number;
  readonly memory?: number;
  readonly threads?: number;
  /** Attached clients; undefined if none ever was. */
  readonly clients?: number;
  readonly stdin?: number;
  readonly stdout?: number;
  readonly stdoutAcked?: number;
  readonly stderr?: number;
  readonly stderrAcked?: number;
}

export interface WatchedForward {
  readonly id: string;
  readonly sent: number;
  readonly received: number;
}

/** Everything that was read at one time. */
interface Reading {
  readonly micros: number;
  readonly guest: Counters;
  readonly agentCpuMicros: number | undefined;
  readonly containers: ReadonlyMap<string, WatchedContainer>;
  readonly processes: ReadonlyMap<number, WatchedProcess>;
  readonly forwards: ReadonlyMap<string, WatchedForward>;
}

/** Most containers, processes and forwards of a guest: an agent has fewer, a hostile one can't fill the host's memory. */
const MAX_ENTRIES = 8192;

const NOTHING: Reading = {
  ...{ micros: 0, guest: {}, agentCpuMicros: undefined },
  ...{ containers: new Map(), processes: new Map(), forwards: new Map() },
};

/** Bytes per second that pass through a process's stdio, and the printed bytes that no client has acknowledged. */
export interface StreamUsage {
  readonly input?: number;
  readonly output?: number;
  readonly unacknowledged?: number;
}

/** The state of one guest, from the updates of its agent. Rates are those between the last two complete updates. */
export class GuestModel {
  generation = 0;
  cpus = 0;
  agentMemory: number | undefined;
  #before: Reading | undefined;
  #now = NOTHING;
  /** The update whose parts are arriving. */
  #next: Reading | undefined;

  /** Takes a part of an update. */
  apply(update: WatchUpdate): void {
    if (update.whole) this.#before = this.#next = undefined;
    const base = this.#next ?? (update.whole ? NOTHING : this.#now);
    const next = merged(base, update);
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

function merged(base: Reading, update: WatchUpdate): Reading {
  const { micros, guest } = update;
  const containers = new Map(base.containers);
  for (const { id, state, usage } of update.containers) {
    const before = containers.get(id);
    if (before === undefined && containers.size >= MAX_ENTRIES) continue;
    const known = state === null ? (before?.state ?? "unknown") : stateOf(state);
    containers.set(id, { id, state: known, counters: { ...before?.counters, ...countersOf(usage) } });
  }
  const processes = new Map(base.processes);
  for (const each of update.processes) {
    if (processes.size >= MAX_ENTRIES && !processes.has(each.id)) continue;
    const before = processes.get(each.id) ?? { id: each.id, container: "", exec: "", pid: 0, state: "unknown" };
    processes.set(each.id, { ...before, ...processFields(each) });
  }
  const forwards = new Map(base.forwards);
  for (const { id, sent, received } of update.forwards) {
    const before = forwards.get(id);
    if (before === undefined && forwards.size >= MAX_ENTRIES) continue;
    forwards.set(id, { id, sent: sent ?? before?.sent ?? 0, received: received ?? before?.received ?? 0 });
  }
  for (const id of update.removed_containers) containers.delete(id);
  for (const id of update.removed_processes) processes.delete(id);
  for (const id of update.removed_forwards) forwards.delete(id);
  return {
    ...{ micros, guest: { ...base.guest, ...countersOf(guest?.usage ?? null) } },
    agentCpuMicros: guest?.agent_cpu_micros ?? base.agentCpuMicros,
    ...{ containers, processes, forwards },
  };
}

function processFields(each: WatchUpdate["processes"][number]): Partial<WatchedProcess> {
  const { container_id, exec_id, state, stdout_acked, stderr_acked, cpu_micros, ...same } = each;
  return present({
    ...same,
    ...{ container: container_id, exec: exec_id, cpuMicros: cpu_micros },
    ...{ state: state === null ? undefined : stateOf(state), stdoutAcked: stdout_acked, stderrAcked: stderr_acked },
  });
}

function stateOf(state: number): ProcessState {
  return STATES[state] ?? "unknown";
}
