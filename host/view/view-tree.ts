import type { EventGap, GuestEvent } from "../client/streams/events.ts";
import type { GuestRecord, ProcessRecord } from "../state/state-records.ts";
import type { GuestModel, StreamUsage } from "./guest-model.ts";
import type { ProcessState, WatchedContainer, WatchedProcess } from "./guest-reading.ts";
import type { Usage } from "./usage-shape.ts";

/** How the state of a guest arrives: over the stream, by calls, not yet, or not any more. */
export type LinkState = "connecting" | "live" | "polled" | "lost" | "ended";

export interface GuestNode {
  readonly name: string;
  readonly address: string;
  readonly link: LinkState;
  /** Why the state doesn't arrive. */
  readonly reason?: string | undefined;
  readonly cpus: number;
  /** Times that the agent was started again since boot. */
  readonly agentRestarts: number;
  readonly agent: { readonly cpu?: number | undefined; readonly memory?: number | undefined };
  readonly usage: Usage;
  readonly containers: readonly ContainerNode[];
  readonly forwards: readonly ForwardNode[];
  readonly events: readonly (GuestEvent | EventGap)[];
}

export interface ContainerNode {
  readonly id: string;
  readonly image?: string | undefined;
  readonly state: ProcessState;
  readonly code?: number | undefined;
  readonly usage: Usage;
  /** Sum of its processes. */
  readonly streams: StreamUsage;
  readonly processes: readonly ProcessNode[];
}

export interface ProcessNode {
  /** Exec id; empty for the container's first process. */
  readonly exec: string;
  readonly pid: number;
  readonly state: ProcessState;
  readonly code?: number | undefined;
  /** Unknown for a process that guestctl didn't start. */
  readonly command?: readonly string[];
  readonly clients?: number | undefined;
  readonly usage: Usage;
  readonly streams: StreamUsage;
}

export interface ForwardNode {
  readonly id: string;
  readonly sent?: number;
  readonly received?: number;
}

/** Everything that is known of one guest. */
export interface GuestParts {
  readonly record: Pick<GuestRecord, "name" | "address"> & Partial<GuestRecord>;
  readonly link: LinkState;
  readonly reason?: string | undefined;
  readonly model: GuestModel;
  readonly processes: readonly ProcessRecord[];
  readonly events: readonly (GuestEvent | EventGap)[];
}

/** Merges what the agent and the state store know of a guest into a tree. */
export function guestNode({ record, link, reason, model, processes, events }: GuestParts): GuestNode {
  const byContainer = Map.groupBy(model.processes(), ({ container }) => container);
  const recordsOf = Map.groupBy(processes, ({ container }) => container);
  const [cpu, memory] = [model.agentCpu(), model.agentMemory];
  const containers = model.containers().map((each) => {
    const [own, records] = [byContainer.get(each.id) ?? [], recordsOf.get(each.id) ?? []];
    return containerNode(each, own, model, records);
  });
  return {
    name: record.name,
    address: record.address,
    link,
    reason,
    cpus: model.cpus || (record.cpus ?? 0),
    agentRestarts: Math.max(0, model.generation - 1),
    agent: { cpu, memory },
    usage: model.guestUsage(),
    containers: containers.toSorted((a, b) => a.id.localeCompare(b.id)),
    forwards: model.forwards().map((forward) => ({ id: forward.id, ...model.forwardUsage(forward) })),
    events,
  };
}

function containerNode(
  container: WatchedContainer,
  watched: readonly WatchedProcess[],
  model: GuestModel,
  records: readonly ProcessRecord[],
): ContainerNode {
  const { id, state } = container;
  const image = records.find(({ exec }) => exec === id)?.image;
  const processes = watched.map((each) => processNode(each, model, records));
  const code = processes.find(({ exec }) => exec === "")?.code;
  return {
    id,
    image,
    state,
    code,
    usage: model.containerUsage(container),
    streams: sum(processes.map(({ streams }) => streams)),
    // The first process begins with an empty exec id.
    processes: processes.toSorted((a, b) => a.exec.localeCompare(b.exec)),
  };
}

function processNode(process: WatchedProcess, model: GuestModel, records: readonly ProcessRecord[]): ProcessNode {
  const { exec, pid, state, code, clients, container } = process;
  const record = records.find((each) => each.exec === (exec === "" ? container : exec));
  return {
    exec,
    pid,
    state,
    code,
    ...(record === undefined ? {} : { command: record.args }),
    clients,
    usage: model.processUsage(process),
    streams: model.streamUsage(process),
  };
}

function sum(all: readonly StreamUsage[]): StreamUsage {
  const total: { input?: number; output?: number; unacknowledged?: number } = {};
  for (const each of all) {
    for (const name of ["input", "output", "unacknowledged"] as const) {
      const value = each[name];
      if (value !== undefined) total[name] = (total[name] ?? 0) + value;
    }
  }
  return total;
}
