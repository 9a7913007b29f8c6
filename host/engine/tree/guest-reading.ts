import type { WatchUpdate } from "../../client/streams/watch.ts";
import type { ProcessState } from "./guest-tree.ts";
import { type Counters, countersOf, present } from "./usage.ts";

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
export interface Reading {
  readonly micros: number;
  readonly guest: Counters;
  readonly agentCpuMicros: number | undefined;
  readonly containers: ReadonlyMap<string, WatchedContainer>;
  readonly processes: ReadonlyMap<number, WatchedProcess>;
  readonly forwards: ReadonlyMap<string, WatchedForward>;
}

/** Most of each that a guest has in the view: an agent has fewer, a hostile one can't fill the host's memory. */
const [MAX_CONTAINERS, MAX_PROCESSES, MAX_FORWARDS] = [1024, 4096, 256];
/** Most of them together in all guests of a view, of which each guest may have an equal share: they take up to 4 KiB each. */
export const MAX_ENTRIES = 8192;

export const NOTHING: Reading = {
  micros: 0,
  guest: {},
  agentCpuMicros: undefined,
  containers: new Map(),
  processes: new Map(),
  forwards: new Map(),
};

/** A reading that the parts of an update change. */
export interface NextReading {
  micros: number;
  guest: Counters;
  agentCpuMicros: number | undefined;
  readonly containers: Map<string, WatchedContainer>;
  readonly processes: Map<number, WatchedProcess>;
  readonly forwards: Map<string, WatchedForward>;
}

/** Begins an update: the reading before stays as it is. */
export const copyOf = ({ containers, processes, forwards, ...same }: Reading): NextReading => ({
  ...same,
  containers: new Map(containers),
  processes: new Map(processes),
  forwards: new Map(forwards),
});

/**
 * Takes a part of an update into a reading of at most `most` entries. Costs what the part holds: an agent decides how many parts
 * there are.
 */
export function addPart(next: NextReading, update: WatchUpdate, most = MAX_ENTRIES): void {
  const { containers, processes, forwards } = next;
  const hasRoom = (of: ReadonlyMap<unknown, unknown>, limit: number) => of.size < limit && entriesOf(next) < most;
  for (const { id, state, usage } of update.containers) {
    const before = containers.get(id);
    if (before === undefined && !hasRoom(containers, MAX_CONTAINERS)) continue;
    const known = state === null ? (before?.state ?? "unknown") : stateOf(state);
    containers.set(id, { id, state: known, counters: { ...before?.counters, ...countersOf(usage) } });
  }
  for (const each of update.processes) {
    if (!processes.has(each.id) && !hasRoom(processes, MAX_PROCESSES)) continue;
    const before = processes.get(each.id) ?? { id: each.id, container: "", exec: "", pid: 0, state: "unknown" };
    processes.set(each.id, { ...before, ...processFields(each) });
  }
  for (const { id, sent, received } of update.forwards) {
    const before = forwards.get(id);
    if (before === undefined && !hasRoom(forwards, MAX_FORWARDS)) continue;
    forwards.set(id, { id, sent: sent ?? before?.sent ?? 0, received: received ?? before?.received ?? 0 });
  }
  for (const id of update.removed_containers) containers.delete(id);
  for (const id of update.removed_processes) processes.delete(id);
  for (const id of update.removed_forwards) forwards.delete(id);
  const { micros, guest } = update;
  next.micros = micros;
  next.guest = { ...next.guest, ...countersOf(guest?.usage ?? null) };
  next.agentCpuMicros = guest?.agent_cpu_micros ?? next.agentCpuMicros;
}

/** Leaves the first `most` entries: containers, processes, then forwards. */
export function trim({ containers, processes, forwards }: NextReading, most: number): void {
  let left = most;
  const keep = <Key>(entries: Map<Key, unknown>) => {
    for (const key of [...entries.keys()].slice(left)) entries.delete(key);
    left -= entries.size;
  };
  keep(containers);
  keep(processes);
  keep(forwards);
}

/** Counts containers, processes and forwards. */
export const entriesOf = ({ containers, processes, forwards }: Reading) =>
  containers.size + processes.size + forwards.size;

function processFields(each: WatchUpdate["processes"][number]): Partial<WatchedProcess> {
  const { container_id, exec_id, state, stdout_acked, stderr_acked, cpu_micros, ...same } = each;
  return present({
    ...same,
    container: container_id,
    exec: exec_id,
    cpuMicros: cpu_micros,
    state: state === null ? undefined : stateOf(state),
    stdoutAcked: stdout_acked,
    stderrAcked: stderr_acked,
  });
}

function stateOf(state: number): ProcessState {
  return STATES[state] ?? "unknown";
}
