import { setTimeout as sleep } from "node:timers/promises";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { answers, watchUpdates } from "../../client/edge/stream-messages.ts";
import { WATCHED_STATES } from "../../client/edge/values.ts";
import { RpcError } from "../../client/rpc-error.ts";
import type { WatchUpdate } from "../../client/streams/watch.ts";
import { diskBytes } from "../guest/disk-bytes.ts";

const ANSWER_MS = 5000;
const NANOS = 1000;

/**
 * Yields the usage of containers of an agent without a stream for it, by StatsContainer every `intervalMs`: CPU, memory, tasks,
 * disk and network, but no pressure and no streams. `containers` returns the ids to ask for.
 */
export async function* watchByCalls(
  client: AgentClient,
  containers: () => readonly string[],
  { intervalMs = 1000, signal }: { readonly intervalMs?: number; readonly signal: AbortSignal },
): AsyncGenerator<WatchUpdate, void> {
  let known: readonly string[] = [];
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const ids = containers();
    const micros = Math.round(performance.now() * 1000);
    const stats = await Promise.all(ids.map(async (id) => [id, await statsOf(client, id, signal)] as const));
    const found = stats.flatMap(([id, each]) => (each === undefined ? [] : [messageOf(id, each)]));
    const removed_containers = known.filter((id) => !found.some((each) => each.id === id));
    known = found.map(({ id }) => id);
    const update = { whole: isFirst, micros, containers: found, removed_containers };
    yield answers.watch.decode(watchUpdates.encode(update));
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Returns undefined for a container that the agent doesn't know. */
async function statsOf(client: AgentClient, id: string, signal: AbortSignal) {
  try {
    return await client.agent.statsContainer({ container_id: id }, { timeoutMs: ANSWER_MS, signal });
  } catch (error) {
    if (error instanceof RpcError && (error.kind === "invalid-argument" || error.kind === "not-found"))
      return undefined;
    throw error;
  }
}

function messageOf(id: string, { cgroup_stats: cgroup, network_stats }: grpc.StatsContainerResponse) {
  const { cpu_stats: cpu, memory_stats: memory, pids_stats: pids } = cgroup ?? {};
  const limit = memory?.usage?.limit ?? 0;
  const total = (name: "rx_bytes" | "tx_bytes") => network_stats.reduce((sum, each) => sum + each[name], 0);
  const usage = {
    cpu_micros: Math.floor((cpu?.cpu_usage?.total_usage ?? 0) / NANOS),
    ...(memory?.usage == null ? {} : { memory: memory.usage.usage }),
    // Values near the top of the range mean that there is no limit.
    ...(limit > 0 && limit < Number.MAX_SAFE_INTEGER ? { memory_limit: limit } : {}),
    ...(pids == null ? {} : { pids: pids.current }),
    ...(cgroup == null ? {} : { read_bytes: diskBytes(cgroup, "read"), written_bytes: diskBytes(cgroup, "write") }),
    received_bytes: total("rx_bytes"),
    sent_bytes: total("tx_bytes"),
  };
  return { id, state: WATCHED_STATES.WATCHED_RUNNING, usage };
}
