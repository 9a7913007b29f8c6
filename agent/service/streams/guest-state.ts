import { guestd } from "../../../proto/gen/messages.js";
import type { Container } from "../../container/container.ts";
import { namespaceInode } from "../../container/namespaces/namespace-inode.ts";
import { parseCpuList } from "../../container/process/cpu-list.ts";
import type { Process } from "../../container/process/process.ts";
import type { ResumableProcess } from "../../container/resumable/resumable-process.ts";
import { CgroupReader } from "../../metrics/live/cgroup-reader.ts";
import { GuestReader } from "../../metrics/live/guest-reader.ts";
import { KeptFile } from "../../metrics/live/kept-file.ts";
import { ProcessReader, type ProcessUsage } from "../../metrics/live/process-reader.ts";
import type { Usage } from "../../metrics/live/usage.ts";
import type { Agent } from "../rpc.ts";

const { WATCHED_CREATED, WATCHED_EXITED, WATCHED_PAUSED, WATCHED_RUNNING } = guestd.v1.WatchedState;

type Fields = { readonly [name: string]: number | string | undefined };

/** Everything that watchers get, at one time. Never changed afterwards. */
export interface Snapshot {
  /** CLOCK_MONOTONIC. */
  readonly micros: number;
  readonly guest: { readonly fields: Fields; readonly usage: Fields };
  readonly containers: ReadonlyMap<string, { readonly fields: Fields; readonly usage: Fields }>;
  /** By launch id. */
  readonly processes: ReadonlyMap<number, Fields>;
  readonly forwards: ReadonlyMap<string, Fields>;
}

export interface GuestStateParts {
  /** Returns the stdio of a process that clients have attached to. */
  streamsOf(process: Process): Pick<ResumableProcess, "outputs" | "stdin" | "clients"> | undefined;
  forwards(): readonly { readonly id: string; readonly sent: number; readonly received: number }[];
}

/** A container's files, their last content, and that as watchers get it. */
interface KeptContainer {
  readonly reader: CgroupReader;
  readonly usage: Usage;
  readonly shown: Snapshot["guest"];
}

interface KeptProcess {
  readonly reader: ProcessReader;
  readonly usage: ProcessUsage;
  readonly shown: Fields;
}

/** Reads the state of the guest; keeps the files open between two readings. */
export class GuestState {
  readonly #agent: Pick<Agent, "sandbox" | "running">;
  readonly #parts: GuestStateParts;
  #guest: GuestReader | undefined;
  #self: ProcessReader | undefined;
  #containers = new Map<Container, KeptContainer>();
  #processes = new Map<number, KeptProcess>();
  #online: KeptFile | undefined;
  #generation: number | undefined;
  /** Inode of the guest's network namespace. */
  #network: number | undefined;

  constructor(agent: Pick<Agent, "sandbox" | "running">, parts: GuestStateParts) {
    this.#agent = agent;
    this.#parts = parts;
  }

  read(): Snapshot {
    const [containers, processes] = [new Map<Container, KeptContainer>(), new Map<number, KeptProcess>()];
    for (const container of this.#agent.sandbox.containers) {
      const kept = this.#readContainer(container);
      const isIdle = kept.shown.usage === this.#containers.get(container)?.shown.usage;
      containers.set(container, kept);
      for (const process of container.processes) {
        if (process !== container.init && process.status !== undefined && process.waited) continue;
        processes.set(process.launchId, this.#readProcess(container, process, isIdle));
      }
    }
    this.#keepOnly(containers, processes);
    const forwards = this.#parts.forwards().map(({ id, ...bytes }) => [id, bytes] as const);
    return {
      micros: Number(process.hrtime.bigint() / 1000n),
      guest: this.#readGuest(),
      containers: new Map(Array.from(containers, ([{ id }, { shown }]) => [id, shown])),
      processes: new Map(Array.from(processes, ([id, { shown }]) => [id, shown])),
      forwards: new Map(forwards),
    };
  }

  /** Closes all files; the next reading opens them again. */
  close(): void {
    this.#keepOnly(new Map(), new Map());
    this.#guest?.close();
    this.#self?.close();
    this.#online?.close();
    this.#guest = this.#self = this.#online = undefined;
  }

  #readGuest(): Snapshot["guest"] {
    this.#guest ??= new GuestReader();
    this.#self ??= new ProcessReader("self");
    const { user, system } = process.cpuUsage();
    const agent = { agent_cpu_micros: user + system, agent_memory: this.#self.read().memory };
    // Once: it looks for files of a failed upgrade.
    this.#generation ??= this.#agent.running().generation;
    this.#online ??= new KeptFile("/sys/devices/system/cpu/online");
    const cpus = parseCpuList(this.#online.read() ?? "")?.length;
    return { fields: { cpus, generation: this.#generation, ...agent }, usage: { ...this.#guest.read() } };
  }

  #readContainer(container: Container): KeptContainer {
    const kept = this.#containers.get(container);
    const reader = kept?.reader ?? this.#open(container);
    const usage: Usage = reader.read();
    const state = stateOf(container);
    if (kept !== undefined && kept.usage === usage && kept.shown.fields["state"] === state) return kept;
    const shownUsage = kept?.usage === usage ? kept.shown.usage : { ...usage };
    return { reader, usage, shown: { fields: { state }, usage: shownUsage } };
  }

  /** A process of an idle container has used nothing since the last reading. */
  #readProcess(container: Container, process: Process, isIdle: boolean): KeptProcess {
    const kept = this.#processes.get(process.launchId);
    const reader = kept?.reader ?? new ProcessReader(process.pid);
    const usage = process.status !== undefined ? {} : isIdle && kept !== undefined ? kept.usage : reader.read();
    const exec_id = process === container.init ? "" : process.execId;
    const name = { container_id: container.id, exec_id, pid: process.pid };
    return { reader, usage, shown: { ...name, ...usage, ...endOf(process), ...this.#streams(process) } };
  }

  #open(container: Container): CgroupReader {
    this.#network ??= namespaceInode("/proc/self/ns/net");
    const { pid, status } = container.init;
    const own = status === undefined ? namespaceInode(`/proc/${pid}/ns/net`) : undefined;
    const isOwn = own !== undefined && own !== this.#network;
    return new CgroupReader(container.cgroup, isOwn ? `/proc/${pid}/net/dev` : undefined);
  }

  #streams(process: Process): Fields {
    const streams = this.#parts.streamsOf(process);
    if (streams === undefined) return {};
    const [stdout, stderr] = streams.outputs;
    return {
      ...{ clients: streams.clients, stdin: streams.stdin?.written },
      ...{ stdout: stdout?.printed, stdout_acked: stdout?.acked },
      ...{ stderr: stderr?.printed, stderr_acked: stderr?.acked },
    };
  }

  /** Closes the files of containers and processes that are gone. */
  #keepOnly(containers: Map<Container, KeptContainer>, processes: Map<number, KeptProcess>): void {
    for (const [container, { reader }] of this.#containers) if (!containers.has(container)) reader.close();
    for (const [id, { reader }] of this.#processes) if (!processes.has(id)) reader.close();
    this.#containers = containers;
    this.#processes = processes;
  }
}

function stateOf({ init, paused }: Container): number {
  if (init.status !== undefined) return WATCHED_EXITED;
  if (paused) return WATCHED_PAUSED;
  return init.release === undefined ? WATCHED_RUNNING : WATCHED_CREATED;
}

function endOf({ status, release }: Process): Fields {
  if (status !== undefined) return { state: WATCHED_EXITED, code: status.code };
  return { state: release === undefined ? WATCHED_RUNNING : WATCHED_CREATED };
}
