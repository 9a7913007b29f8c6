import type { EventGap, GuestEvent } from "../../client/streams/guest-event.ts";
import type { GuestRecord, ProcessRecord } from "../record/state-records.ts";
import type { GuestModel } from "./guest-model.ts";
import type { WatchedContainer, WatchedProcess } from "./guest-reading.ts";
import type { ContainerTree, GuestState, LinkState, ProcessTree, StreamUsage } from "./guest-tree.ts";

export interface GuestNode extends GuestState {
  readonly containers: readonly ContainerTree[];
  readonly events: readonly (GuestEvent | EventGap)[];
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
): ContainerTree {
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

function processNode(process: WatchedProcess, model: GuestModel, records: readonly ProcessRecord[]): ProcessTree {
  const { exec, pid, state, code, clients, container } = process;
  const record = records.find((each) => each.exec === (exec === "" ? container : exec));
  return {
    exec,
    pid,
    state,
    code,
    command: record?.args,
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
