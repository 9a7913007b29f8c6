import { availableParallelism } from "node:os";
import { guestd } from "../../../proto/gen/messages.js";
import type { Container } from "../../container/container.ts";
import { namespaceInode } from "../../container/namespaces/namespace-inode.ts";
import type { Process } from "../../container/process/process.ts";
import type { ResumableProcess } from "../../container/resumable/resumable-process.ts";
import { CgroupReader } from "../../metrics/live/cgroup-reader.ts";
import { GuestReader } from "../../metrics/live/guest-reader.ts";
import { ProcessReader } from "../../metrics/live/process-reader.ts";
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

/** Reads the state of the guest; keeps the files open between two readings. */
export class GuestState {
  readonly #agent: Pick<Agent, "sandbox" | "running">;
  readonly #parts: GuestStateParts;
  #guest: GuestReader | undefined;
  #self: ProcessReader | undefined;
  #containers = new Map<Container, CgroupReader>();
  #processes = new Map<number, ProcessReader>();
  #network: number | undefined;

  constructor(agent: Pick<Agent, "sandbox" | "running">, parts: GuestStateParts) {
    this.#agent = agent;
    this.#parts = parts;
  }

  read(): Snapshot {
    const { containers } = this.#agent.sandbox;
    const [cgroupReaders, processReaders] = [new Map<Container, CgroupReader>(), new Map<number, ProcessReader>()];
    const [shown, processes] = [new Map<string, Snapshot["guest"]>(), new Map<number, Fields>()];
    for (const container of containers) {
      const reader = this.#containers.get(container) ?? this.#open(container);
      cgroupReaders.set(container, reader);
      const usage: Usage = reader.read();
      shown.set(container.id, { fields: { state: stateOf(container) }, usage: { ...usage } });
      for (const process of container.processes) {
        if (process !== container.init && process.status !== undefined && process.waited) continue;
        const stat = this.#processes.get(process.launchId) ?? new ProcessReader(process.pid);
        if (process.status === undefined) processReaders.set(process.launchId, stat);
        const isFirst = process === container.init;
        const name = { container_id: container.id, exec_id: isFirst ? "" : process.execId, pid: process.pid };
        const used = process.status === undefined ? stat.read() : {};
        processes.set(process.launchId, { ...name, ...used, ...endOf(process), ...this.#streams(process) });
      }
    }
    this.#keepOnly(cgroupReaders, processReaders);
    const forwards = this.#parts.forwards().map(({ id, ...bytes }) => [id, bytes] as const);
    return {
      micros: Number(process.hrtime.bigint() / 1000n),
      guest: this.#readGuest(),
      ...{ containers: shown, processes, forwards: new Map(forwards) },
    };
  }

  /** Closes all files; the next reading opens them again. */
  close(): void {
    this.#keepOnly(new Map(), new Map());
    this.#guest?.close();
    this.#self?.close();
    this.#guest = this.#self = undefined;
  }

  #readGuest(): Snapshot["guest"] {
    this.#guest ??= new GuestReader();
    this.#self ??= new ProcessReader("self");
    const { user, system } = process.cpuUsage();
    const agent = { agent_cpu_micros: user + system, agent_memory: this.#self.read().memory };
    const fields = { cpus: availableParallelism(), generation: this.#agent.running().generation, ...agent };
    return { fields, usage: { ...this.#guest.read() } };
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
  #keepOnly(containers: Map<Container, CgroupReader>, processes: Map<number, ProcessReader>): void {
    for (const [container, reader] of this.#containers) if (!containers.has(container)) reader.close();
    for (const [id, reader] of this.#processes) if (!processes.has(id)) reader.close();
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
