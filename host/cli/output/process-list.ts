import type { grpc } from "../../../proto/gen/messages.js";
import { ANSWER_MS, containerStats } from "../../engine/container/container-stats.ts";
import { connectTo, unusedGuest } from "../../engine/guest/guest-target.ts";
import { type GuestRecord, type ProcessRecord, restOf } from "../../engine/record/state-records.ts";
import type { StateStore } from "../../engine/record/state-store.ts";

/** One line of `ps`; the names are those of `ps --json`. */
export interface ListedProcess {
  readonly guest: string;
  /** Undefined for a guest without containers. */
  readonly container?: string;
  /** "init" for a container's first process, otherwise the exec's id. */
  readonly process?: string;
  readonly state: string;
  readonly exitCode?: number;
  readonly tasks?: number | undefined;
  /** Bytes. */
  readonly memory?: number | undefined;
  /** ISO 8601; for a guest, the boot time. */
  readonly startedAt: string;
  readonly endedAt?: string;
  readonly why?: string | undefined;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/**
 * Lists guests with their containers and execs; a guest without any gets one line. `all` includes those that ended and
 * are kept.
 */
export async function listProcesses(
  store: StateStore,
  { guest: name, all = false }: { readonly guest?: string | undefined; readonly all?: boolean },
): Promise<readonly ListedProcess[]> {
  const isMeant = (guest: GuestRecord) => name === undefined || guest.name === name;
  const running = store.guests().filter(isMeant);
  const lists = await Promise.all(running.map((guest) => listRunning(guest, store.processes.list(guest.name), all)));
  const ended = all ? store.endedGuests().filter(isMeant) : [];
  return [...lists.flat(), ...ended.flatMap((guest) => listEnded(guest, store.processes.list(guest.name)))];
}

async function listRunning(
  guest: GuestRecord,
  processes: readonly ProcessRecord[],
  all: boolean,
): Promise<ListedProcess[]> {
  const live = processes.filter(({ ended }) => ended === undefined);
  const ended = all ? processes.filter((record) => record.ended !== undefined) : [];
  const rest = ended.map((record) => listed(guest, record, endedState(record)));
  if (restOf(guest) !== undefined) return [...stateOfAll(guest.isSaved ? "saved" : "paused"), ...rest];
  try {
    const unused = unusedGuest(guest);
    await using client = await connectTo({ address: unused.address, guest: unused });
    if (live.length === 0) {
      await client.health.check({}, { timeoutMs: ANSWER_MS });
      return rest.length > 0 ? rest : [{ guest: guest.name, state: "idle", startedAt: guest.bootedAt }];
    }
    const stats = new Map<string, Promise<grpc.CgroupStats | undefined>>();
    for (const { container } of live)
      if (!stats.has(container)) stats.set(container, containerStats(client, container));
    const rows = live.map(async (record) =>
      listed(guest, record, liveState(record, await stats.get(record.container))),
    );
    return [...(await Promise.all(rows)), ...rest];
  } catch {
    return [...stateOfAll("no answer"), ...rest];
  }

  function stateOfAll(state: string): ListedProcess[] {
    if (live.length > 0) return live.map((record) => listed(guest, record, { state }));
    return [{ guest: guest.name, state, startedAt: guest.bootedAt }];
  }
}

function listEnded(guest: GuestRecord, processes: readonly ProcessRecord[]): ListedProcess[] {
  const { at, why } = guest.ended ?? {};
  if (processes.length > 0) return processes.map((record) => listed(guest, record, endedState(record)));
  return [{ guest: guest.name, state: "ended", startedAt: guest.bootedAt, ...(at && { endedAt: at }), why }];
}

type State = Pick<ListedProcess, "state" | "exitCode" | "tasks" | "memory" | "endedAt" | "why">;

function listed({ name }: GuestRecord, record: ProcessRecord, state: State): ListedProcess {
  const { container, exec, startedAt, image, args, labels } = record;
  const process = exec === container ? "init" : exec;
  return { guest: name, container, process, ...state, startedAt, image, command: args, labels };
}

function endedState({ ended, restarting }: ProcessRecord): State {
  return {
    state: restarting ? "restarting" : "exited",
    ...(ended && { exitCode: ended.code, endedAt: ended.at, why: ended.why }),
  };
}

/** Derives a process's state from its record and its container's stats. Exported for its test. */
export function liveState(
  record: Pick<ProcessRecord, "container" | "exec" | "starting" | "paused">,
  stats?: grpc.CgroupStats,
): State {
  if (record.starting) return { state: "created" };
  if (stats === undefined) return { state: "gone" };
  const tasks = stats.pids_stats?.current;
  const memory = stats.memory_stats?.usage?.usage;
  const running = record.paused ? "paused" : record.exec === record.container ? "running" : "exec";
  const state = tasks === undefined ? "unknown" : tasks > 0 ? running : "exited";
  if (record.exec !== record.container) return { state };
  return { state, tasks, memory };
}
